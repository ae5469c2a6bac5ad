/** Builds the addon into `dist/`: `addon.cjs` finds the binary of this platform, `addon.d.cts` is generated from Rust. `--debug`: without optimization, quicker. */
import { parseArgs } from 'node:util'
import { mustRun } from './lib/run.mjs'

const { values } = parseArgs({ options: { debug: { type: 'boolean' }, target: { type: 'string' } } })

const target = values.target ? ['--target', values.target] : []
const output = ['--output-dir', 'dist', '--js', 'addon.cjs', '--dts', 'addon.d.cts']
const build = ['--platform', ...(values.debug ? [] : ['--release']), ...target, '--manifest-path', 'crates/node/Cargo.toml', ...output]

await mustRun('npx', ['napi', 'build', ...build])
