'use strict'
const { createPublicKey } = require('node:crypto')
module.exports = (key) => createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
