/** Every lint of the repository; all of them run, and the exit code says whether all passed. */
import { installDependencies } from './lib/setup.mjs'
import { run } from './lib/run.mjs'

await installDependencies()
const checks = [
  ['npx', ['oxlint', '--deny-warnings']],
  ['npx', ['tsc', '--noEmit', '-p', 'tsconfig.json']],
  ['cargo', ['fmt', '--all', '--check']],
  ['cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']],
]
const failed = []
for (const [command, args] of checks) {
  const { code } = await run(command, args)
  if (code !== 0) failed.push([command, ...args].join(' '))
}
for (const check of failed) console.error(`lint failed: ${check}`)
process.exit(failed.length > 0 ? 1 : 0)
