/** Controls (C0, C1), characters without a shape or that change the direction of what follows, halves of one, and separators of lines. */
const STEERING = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** A sentence on one line of a terminal: what a terminal might obey is escaped, letters of any language are not. */
export function oneLine (sentence: string): string {
  return sentence.replace(STEERING, (character) =>
    character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`))
}

/** A wrong value in a sentence on a terminal: short, and without what a terminal might obey. Not for what may be a secret. */
export function quote (value: string): string {
  return oneLine(JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value))
}

/** A wrong address without query and fragment; nothing of a value that is not like an address, or that may have a secret in it. */
export function quoteAddress (value: string): string {
  const place = value.replace(/[?#].*$/s, '?…')
  if (/[@${}<>"'`%]/.test(place)) return '(not shown)'
  return /^[a-z]+:\/\//i.test(place) || (place.length <= 60 && /^[a-z\d-]+(?:\.[a-z\d-]+)+(?:[:/]|$)/i.test(place))
    ? quote(place)
    : '(not shown)'
}
