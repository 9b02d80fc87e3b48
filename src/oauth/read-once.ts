/** A declaration has no more levels than this: members, clients, roles, a name. */
const LEVELS = 4

/**
 * A plain, frozen copy of what a declaration holds, for which every member was looked at once: what is checked is then what is enforced,
 * whatever its author changes later and whatever a proxy would say the second time. Accessors, holes of arrays and what lies deeper than
 * a declaration reaches become undefined, which no rule accepts.
 */
export function readOnce (value: unknown, levels = LEVELS): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (levels === 0) return undefined
  if (Array.isArray(value)) {
    return Object.freeze(Array.from({ length: value.length }, (_, at) => readOnce(ownValue(value, String(at)), levels - 1)))
  }
  const copy = Object.create(null) as Record<PropertyKey, unknown>
  for (const key of Reflect.ownKeys(value)) copy[key] = readOnce(ownValue(value, key), levels - 1)
  return Object.freeze(copy)
}

function ownValue (holder: object, key: PropertyKey): unknown {
  return Reflect.getOwnPropertyDescriptor(holder, key)?.value
}
