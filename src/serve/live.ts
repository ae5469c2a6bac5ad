/** `/v1/live`: what is recorded, as it is recorded. */
import type { Stream } from '../subscription.js'
import { STREAM_TYPE } from './arrow-body.js'
import { type Exchange, send } from './exchange.js'
import { LiveStream } from './live-stream.js'

/**
 * Answers with an Arrow IPC stream that follows the log, until the recording is closed, the server ends, or the client has gone. The next batch
 * is asked for when the client has taken the last one: what it misses meanwhile, if retention takes it, is told as a gap.
 */
export async function sendLive(exchange: Exchange): Promise<void> {
  const { scope, asked, request, response, gone, closing } = exchange
  const subscription = scope.eventStreamer.subscribe({ ...asked, maxInFlight: 1, signal: gone })
  // The connection keeps the process alive, if that is wanted.
  subscription.unref()
  const end = (): void => void subscription.unsubscribe()
  closing.addEventListener('abort', end, { once: true })
  try {
    if (closing.aborted) end()
    response.writeHead(200, { 'Content-Type': STREAM_TYPE })
    if (request.method === 'HEAD') return void response.end()
    const stream = new LiveStream((subscription as unknown as Stream).schema)
    await send(exchange, stream.start())
    for await (const batch of subscription) {
      let bytes: Uint8Array
      try {
        bytes = stream.write(batch)
      } finally {
        batch.release()
      }
      await send(exchange, bytes)
    }
    response.end(stream.end())
  } finally {
    closing.removeEventListener('abort', end)
    await subscription.unsubscribe()
  }
}
