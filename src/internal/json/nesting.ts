// Finds JSON that is nested too deeply for recursive functions: JSON.parse reads it, but JSON.stringify and others run out
// of stack.

// Venues nest a handful of levels.
const most = 500

/** Whether a JSON text is nested too deeply. It skips short texts: each level takes at least two characters. */
export const isTooDeep = (text: string): boolean => {
  if (text.length <= 2 * most) return false
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case "\\":
        if (inString) i++
        break
      case `"`:
        inString = !inString
        break
      case "[":
      case "{":
        if (!inString && ++depth > most) return true
        break
      case "]":
      case "}":
        if (!inString) depth--
    }
  }
  return false
}
