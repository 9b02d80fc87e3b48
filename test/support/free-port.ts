/** As the programs among the tests, which are JavaScript, have it: the tests are run as compiled elsewhere. */
const { freePort } = await import(new URL('free-ports.mjs', import.meta.url).href) as { freePort: () => Promise<number> }

export { freePort }
