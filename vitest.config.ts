import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // One process per file: the addon's state belongs to a process, and only there do tests run on a main thread.
    pool: 'forks',
    // The built package and the slow oracle run as Node loads them, not transformed.
    server: { deps: { external: [/\/dist\//, /\/oracle\//] } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
