/** A wrong value in a sentence on a terminal: short, and without control characters. Not for what may be a secret. */
export function quote (value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
}

/** A wrong address without query and fragment; nothing of a value that is not like an address, or that may have a secret in it. */
export function quoteAddress (value: string): string {
  const place = value.replace(/[?#].*$/s, '?…')
  if (/[@${}<>"'`%]/.test(place)) return '(not shown)'
  return /^[a-z]+:\/\//i.test(place) || (place.length <= 60 && /^[a-z\d-]+(?:\.[a-z\d-]+)+(?:[:/]|$)/i.test(place))
    ? quote(place)
    : '(not shown)'
}
