/** Installs, builds, and runs the example service under load: `npm run demo`. */
import { mustRun } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

await setUp()
await mustRun('node', ['examples/service/main.mjs'])
