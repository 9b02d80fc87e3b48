import t from 'tap'
import { secretRotation } from './secret-rotation.ts'
t.test('rot', (t) => secretRotation(t, process.env.KEYCLOAK_URL!))
