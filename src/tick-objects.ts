import { executionAsyncResource } from 'node:async_hooks'

/** Where it is kept: what a module holds in a variable is collected where a bundler has joined the module with others. */
export const TICK_OBJECT = Symbol.for('scopegate.tickObject')

/**
 * Keeps an object of the shape that `process.nextTick` gives to each of its calls, for the life of the process; nothing reads it.
 *
 * Node's startup snapshot holds the code of `nextTick` and V8's description of that shape. A collection of the whole heap while no call
 * is waiting drops the description; the next call makes another, and from then on V8 handles both and is slow: 0.6 µs in place of 0.15,
 * eight times for each request, a quarter of what a request costs (bench/README.md). Whether a collection comes at such a moment depends
 * on how long the start takes: every module that a setting adds made it likely. While one object lives, its shape does.
 */
process.nextTick(() => {
  // False, and no error, where a host has frozen the global object: then it is slower.
  Reflect.defineProperty(globalThis, TICK_OBJECT, { value: executionAsyncResource(), configurable: true })
})
