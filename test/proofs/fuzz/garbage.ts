// The heap without what nobody holds any more.
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const isCollector = (found: unknown): found is () => void => typeof found === "function"

setFlagsFromString("--expose-gc")
const found: unknown = runInNewContext("gc")
if (!isCollector(found)) throw new Error("This Node has no garbage to collect.")

export const collectGarbage = found
