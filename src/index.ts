/** What the package exports; `index.d.ts` at the root is its contract. */
export { KinescopeError } from './errors.js'
export { attach, open } from './kinescope.js'
export { verify } from './verify.js'
