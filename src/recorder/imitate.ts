/** Makes a wrapper look like the function that it stands for. */
import { defineProperty, getDescriptor, getPrototypeOf, isProxy, ownKeys } from './intrinsics.js'

/** Whether `new` works on a function; runs none of its code. */
export function isConstructor(fn: object): boolean {
  try {
    // A proxy has a [[Construct]] exactly if its target has one, and its own trap answers.
    const probe = new Proxy(fn as new () => object, { construct: () => ({}) })
    return typeof new probe() === 'object'
  } catch {
    return false
  }
}

/**
 * Gives `wrapper` the prototype and own properties of `fn`. Configurable data properties become accessors onto `fn`, so
 * that state kept on the function is the same seen from inside and outside.
 */
export function imitate(wrapper: object, fn: object): void {
  if (isProxy(fn)) {
    // Its properties cannot be listed without running its traps: whoever reads one asks the proxy.
    Object.setPrototypeOf(wrapper, fn)
    return
  }
  const prototype = getPrototypeOf(fn)
  if (prototype !== getPrototypeOf(wrapper)) Object.setPrototypeOf(wrapper, prototype)
  for (const key of ownKeys(fn)) {
    const descriptor = getDescriptor(fn, key)
    if (descriptor === undefined || key === 'arguments' || key === 'caller') continue
    const existing = getDescriptor(wrapper, key)
    if (existing !== undefined && existing.configurable !== true) {
      // `prototype` of a plain function: its value can be set, its nature cannot.
      defineProperty(wrapper, key, { value: descriptor.value, writable: descriptor.writable === true })
    } else if (key === 'name' || key === 'length' || descriptor.get || descriptor.set || descriptor.configurable !== true) {
      defineProperty(wrapper, key, descriptor)
    } else {
      forward(wrapper, fn, key, descriptor)
    }
  }
}

function forward(wrapper: object, fn: object, key: PropertyKey, descriptor: PropertyDescriptor): void {
  const holder = fn as Record<PropertyKey, unknown>
  const accessor: PropertyDescriptor = {
    configurable: true,
    enumerable: descriptor.enumerable === true,
    get: () => holder[key],
  }
  if (descriptor.writable === true) {
    accessor.set = (value: unknown) => {
      holder[key] = value
    }
  }
  defineProperty(wrapper, key, accessor)
}
