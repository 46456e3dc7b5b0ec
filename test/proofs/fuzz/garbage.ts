// Collects garbage, so that the heap has only live objects when it is measured.
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const isCollector = (found: unknown): found is () => void => typeof found === "function"

setFlagsFromString("--expose-gc")
const found: unknown = runInNewContext("gc")
if (!isCollector(found)) throw new Error("This Node has no gc function, not even with --expose-gc.")

export const collectGarbage = found
