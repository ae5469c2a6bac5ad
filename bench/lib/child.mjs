/**
 * What runs in a child process: one measurement, `child.mjs <file> <JSON of the options>`. The file's `measure` answers
 * with numbers by name, which go to the parent.
 */
const [, , file, options] = process.argv
const { measure } = await import(file)
const metrics = await measure(JSON.parse(options))
process.send(metrics, () => process.disconnect())
