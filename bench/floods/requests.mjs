import { PRIVATE } from '../fleet.mjs'

/** The nth address of a list that is written as its first three numbers' beginning and how many there are. */
export function sourceOf ({ first, count }, n) {
  const at = n % count
  return `127.${first}.${at >> 8}.${at % 256 || 255}`
}

export function requestOf (token, forwardedFor) {
  const forwarded = forwardedFor === undefined ? '' : `X-Forwarded-For: ${forwardedFor}\r\n`
  return `GET ${PRIVATE} HTTP/1.1\r\nHost: localhost\r\n${forwarded}Authorization: Bearer ${token}\r\n\r\n`
}
