/** What every contestant is told, and the one answer that all of them give. */
export const { PORT, ISSUER, AUDIENCE } = process.env
export const JWKS_URL = `${ISSUER}/protocol/openid-connect/certs`
export const ANSWER = { message: 'Authorization is required to see this' }
export const where = { host: '127.0.0.1', port: Number(PORT) }

/** Fastify makes JSON of it by this schema, as the service does. */
export const schema = { response: { 200: { type: 'object', properties: { message: { type: 'string' } } } } }
