/** What the live view looks at: a few pickers who fetch items from shelves, each a logical process of its own. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const FILE = fileURLToPath(import.meta.url)
const LINES = readFileSync(FILE, 'utf8').split('\n')
const ITEMS = ['lens', 'reel', 'lamp', 'film']

/** Starts the pickers; call what it returns to stop them. */
export function startWarehouse(recorder, pickers = 3) {
  const controller = new AbortController()
  const placeOf = (name) => ({ module: 'warehouse', file: FILE, line: LINES.findIndex((line) => line.includes(`function ${name}(`)) + 1 })
  const traced = (fn) => recorder.wrap(fn, { ...placeOf(fn.name), captureResult: true })

  const walkTo = traced(async function walkTo(shelf, meters) {
    await sleep(meters)
    return shelf
  })

  const pick = traced(async function pick(item, quantity) {
    const shelf = ITEMS.indexOf(item)
    const meters = 2 + Math.round(Math.random() * 8)
    recorder.snapshot({ item, shelf, meters })
    await walkTo(shelf, meters)
    if (Math.random() < 0.05) throw new Error(`shelf ${shelf} is empty`)
    return quantity
  })

  const work = async () => {
    for (let order = 1; !controller.signal.aborted; order++) {
      const item = ITEMS[order % ITEMS.length]
      await pick(item, 1 + (order % 5)).catch(() => {})
      recorder.record({ eventType: 'state_change', module: 'warehouse', data: { name: 'picker', old_state: order - 1, new_state: order, trigger: item } })
    }
  }
  const running = Array.from({ length: pickers }, (_, index) => recorder.run({ pid: `picker-${index + 1}` }, work))
  return async () => {
    controller.abort()
    await Promise.all(running)
  }
}
