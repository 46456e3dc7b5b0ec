// The process of one contestant: it reads trades, and reports each to its parent. A crash of this process is a result.
import * as Schema from "effect/Schema"
import { contestants } from "./contestants.ts"
import type { Report } from "./report.ts"
import { Start } from "./report.ts"

const report = (message: Report) => {
  process.send?.(message)
}

const { maxRetries, name, rest, symbol, ws } = Schema.decodeUnknownSync(Schema.parseJson(Start))(process.argv[2])
const load = contestants.get(name)
if (load === undefined) throw new Error(`There is no contestant ${name}. Choose one of ${[...contestants.keys()].join(", ")}.`)
const { contestant } = await load()

report({
  _tag: "About",
  name: contestant.name,
  version: contestant.version,
  configuration: contestant.configuration,
  limit: contestant.limit ?? null
})

// Ends with the parent.
process.on("disconnect", () => process.exit())

const running = await contestant.start({ ws, rest, symbol, maxRetries: maxRetries ?? undefined }, {
  trade: (id) => {
    report({ _tag: "Trade", id })
  },
  missing: (from, to) => {
    report({ _tag: "Missing", from: from ?? null, to: to ?? null })
  },
  notice: (text) => {
    report({ _tag: "Notice", text })
  }
})

process.on("message", (message) => {
  if (message === "revive") {
    report({ _tag: "Reviving", possible: running.revive !== undefined })
    running.revive?.()
  }
})
