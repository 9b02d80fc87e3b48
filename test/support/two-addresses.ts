import dns from 'node:dns'
import type { Test } from 'tap'

/** What `localhost` resolves to on a machine of a test. */
export const ADDRESSES = ['127.0.0.1', '127.0.0.2'] as const

type LookupCallback = (error: Error | null, address: unknown, family?: number) => void
type Lookup = (host: string, options: { all?: boolean }, callback: LookupCallback) => void

/** A machine on which `localhost` has two addresses, as it does wherever IPv6 is on. */
export function twoAddresses (t: Test): void {
  const lookup = dns.lookup as Lookup
  const replaced = (host: string, options: { all?: boolean } | LookupCallback, callback?: LookupCallback): void => {
    const found = typeof options === 'function' ? options : callback!
    const all = typeof options === 'object' && options.all === true
    if (host !== 'localhost') { lookup(host, typeof options === 'function' ? {} : options, found); return }
    process.nextTick(() => all ? found(null, ADDRESSES.map((address) => ({ address, family: 4 }))) : found(null, ADDRESSES[0], 4))
  }
  Object.assign(dns, { lookup: replaced })
  t.teardown(() => Object.assign(dns, { lookup }))
}
