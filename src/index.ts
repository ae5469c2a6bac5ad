/** What the package exports; `index.d.ts` at the root is its contract. */
export { exportStream } from './c-stream.js'
export { KinescopeError } from './errors.js'
export { attach, open } from './kinescope.js'
export { endShared, openShared, share } from './share.js'
export { verify } from './verify.js'
