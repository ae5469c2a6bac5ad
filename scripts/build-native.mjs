/** Builds the addon into `dist/`: `addon.cjs` finds the binary of this platform, `addon.d.cts` is generated from Rust. */
import { parseArgs } from 'node:util'
import { mustRun } from './lib/run.mjs'

const { values } = parseArgs({ options: { profile: { type: 'string', default: 'release' }, target: { type: 'string' } } })

const target = values.target ? ['--target', values.target] : []
const output = ['--output-dir', 'dist', '--js', 'addon.cjs', '--dts', 'addon.d.cts']
const build = ['--platform', '--profile', values.profile, ...target, '--manifest-path', 'crates/node/Cargo.toml', ...output]

await mustRun('npx', ['napi', 'build', ...build])
