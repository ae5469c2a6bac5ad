/** The suite that abstract-level publishes for its implementations, run on memory-level as memory-level's own test does. */
const test = require('tape')
const suite = require('abstract-level/test')
const { MemoryLevel } = require('memory-level')

suite({ test, factory: (options) => new MemoryLevel(options) })
