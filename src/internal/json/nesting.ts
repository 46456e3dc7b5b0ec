// JSON that is nested so deeply that whoever goes through it by recursion runs out of stack, as JSON.stringify does.
// JSON.parse does not.

// Venues nest a handful of levels.
const most = 500

/** Reads only texts that are long enough for that: each level takes two characters at least. */
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
