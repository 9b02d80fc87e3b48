/** The result of `holds` as soon as it does not throw; tried again for so long, and then it throws the last error. */
export async function eventually (holds, withinMs = 60_000) {
  const endMs = Date.now() + withinMs
  for (;;) {
    try {
      return await holds()
    } catch (error) {
      if (Date.now() > endMs) throw error
      await new Promise((done) => setTimeout(done, 200))
    }
  }
}
