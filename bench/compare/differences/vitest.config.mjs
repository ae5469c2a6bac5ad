import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('../../../', import.meta.url))

export default defineConfig({
  root,
  // `kinescope` names the package of the repository, of which this folder's package is no part.
  resolve: { alias: { kinescope: `${root}dist/index.js` } },
  test: {
    include: ['bench/compare/differences/*.test.mjs'],
    pool: 'forks',
    server: { deps: { external: [/\/dist\//, /\/node_modules\//] } },
  },
})
