/* IMPORTANT
 * This snapshot file is auto-generated, but designed for humans.
 * It should be checked into source control and tracked carefully.
 * Re-generate by setting TAP_SNAPSHOT=1 and running tests.
 * Make sure to inspect the output below.  Do not ignore changes!
 */
'use strict'
exports[`test/plugins/openapi.test.ts > TAP > the access matrix: a change of it is a change of who may call what > must match snapshot 1`] = `
POST  /api/messages        valid token: scope test_api_access
GET   /api/private         any valid token
HEAD  /api/private         any valid token
GET   /api/private-scoped  valid token: scope test_api_access
HEAD  /api/private-scoped  valid token: scope test_api_access
GET   /api/public          anyone
HEAD  /api/public          anyone
GET   /health/live         anyone
HEAD  /health/live         anyone
GET   /health/ready        anyone
HEAD  /health/ready        anyone
`
