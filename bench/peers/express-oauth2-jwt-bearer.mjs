import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'
import { ANSWER, AUDIENCE, ISSUER, JWKS_URL, where } from './listen.mjs'

const app = express()
app.get('/api/private', auth({ issuer: ISSUER, jwksUri: JWKS_URL, audience: AUDIENCE, tokenSigningAlg: 'RS256' }), (_request, response) => {
  response.json(ANSWER)
})
app.listen(where.port, where.host)
