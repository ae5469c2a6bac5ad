/** Builds the addon into `dist/`: `addon.cjs` finds the binary of this platform, `addon.d.cts` is generated from Rust. */
import { parseArgs } from 'node:util'
import { mustRun } from './lib/run.mjs'

const { values } = parseArgs({ options: { profile: { type: 'string', default: 'release' }, target: { type: 'string' } } })

await mustRun('npx', [
  'napi',
  'build',
  '--platform',
  ...['--profile', values.profile],
  ...(values.target ? ['--target', values.target] : []),
  ...['--manifest-path', 'crates/node/Cargo.toml'],
  ...['--output-dir', 'dist'],
  ...['--js', 'addon.cjs'],
  ...['--dts', 'addon.d.cts'],
])
