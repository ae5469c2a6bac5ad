/**
 * Runs the vitest suites over the built package on every supported Node.js line, with the binaries that the npm package
 * `node` carries. `node scripts/test-nodes.mjs [major...]`; default: all of them. Build first.
 */
import { join } from 'node:path'
import { NODE_MAJORS, nodeBinary } from './lib/nodes.mjs'
import { mustRun, run } from './lib/run.mjs'

const majors = process.argv.length > 2 ? process.argv.slice(2) : NODE_MAJORS

const failed = []
for (const major of majors) {
  const node = await nodeBinary(major)
  await mustRun(node, ['--version'])
  const { code } = await run(node, [join('node_modules', 'vitest', 'vitest.mjs'), 'run'])
  if (code !== 0) failed.push(major)
}
console.log(failed.length === 0 ? `passed on Node ${majors.join(', ')}` : `failed on Node ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
