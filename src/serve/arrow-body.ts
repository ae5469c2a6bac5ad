/** `/v1/events.arrows`: rows as they are found, while the client takes them. */
import { awaitNative, type NativeExport } from '../native.js'
import type { Answer } from '../query-result.js'
import { type Exchange, factsOf, pagesOf, send } from './exchange.js'

export const STREAM_TYPE = 'application/vnd.apache.arrow.stream'

/** Answers with an Arrow IPC stream of all rows of one snapshot. Of what the client does not take, a page waits as bytes, and none as a lease. */
export async function sendStream(exchange: Exchange): Promise<void> {
  const { scope, asked, response, request, gone } = exchange
  let file: NativeExport | undefined
  for await (const page of pagesOf(scope, asked, gone)) {
    const answer = page.result as unknown as Answer
    if (file === undefined) {
      // What is wrong with the query is known by now, and can still be said.
      response.writeHead(200, { 'Content-Type': STREAM_TYPE, ...factsOf(answer) })
      if (request.method === 'HEAD') break
      file = answer.startExport('arrows')
    }
    const bytes = await answer.exportTo(file)
    page.bytes = bytes.length
    answer.release()
    await send(exchange, bytes)
  }
  if (file !== undefined) await send(exchange, await awaitNative(() => file.finish()))
  response.end()
}
