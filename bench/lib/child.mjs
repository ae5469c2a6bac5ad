/**
 * What runs in a child process: one measurement, `child.mjs <file> <JSON of the options>`. The file's `measure` answers
 * with numbers by name, which go to the parent.
 */
const [, , file, options] = process.argv
const { measure } = await import(file)
// Whoever asked is gone.
const end = () => process.exit(1)
process.once('disconnect', end)
const metrics = await measure(JSON.parse(options)).catch(fail)
process.off('disconnect', end)
process.send(metrics, () => process.disconnect())

/**
 * Ends the process with what is wrong: in a word where that was thrown on purpose, else with the place where it happened.
 *
 * @param {Error} error
 */
function fail(error) {
  console.error(error.constructor === Error ? error.message : error.stack)
  process.exit(1)
}
