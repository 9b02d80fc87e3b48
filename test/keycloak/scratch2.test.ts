import t from 'tap'
import { authentication } from './authentication.ts'
const url = process.env.KEYCLOAK_URL!
t.test('auth', (t) => authentication(t, url, { reachesTests: true }))
