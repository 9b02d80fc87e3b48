/**
 * What the guard adds to an application and its requests for its own parts. A host can have every name that docs/reference/plugin.md does
 * not list, so these are symbols.
 */
export const VERIFICATION = Symbol('scopegate: verification')
export const TRUSTED_ISSUERS = Symbol('scopegate: trusted issuers')
export const RESPONSE_TO = Symbol('scopegate: response to a refusal')
export const TRACING = Symbol('scopegate: tracing')
export const AUTHENTICATE = Symbol('scopegate: authenticate')
export const REFUSED = Symbol('scopegate: refused')
/** Of the service; a host has none. */
export const READINESS = Symbol('scopegate: readiness')
export const LISTENERS = Symbol('scopegate: listeners')
