// The faults of the embedded exchange by the names and keys that the program gives them.
import * as Option from "effect/Option"
import * as Fault from "../binance/exchange/Fault.ts"

interface Row {
  readonly key: string
  readonly does: string
  /** The meaning of the part after `=`, and its default. Absent: there is no such part. */
  readonly value?: { readonly means: string; readonly usual: string; readonly isAllowed: (value: string) => boolean }
  readonly make: (value: string) => Fault.Fault
}

const plain = (key: string, does: string, fault: Fault.Fault): Row => ({ key, does, make: () => fault })

const seconds = {
  usual: "2s",
  isAllowed: (value: string) => /^\d+(?:\.\d+)?s$/.test(value)
}
const durationOf = (value: string) => `${Number.parseFloat(value)} seconds` as const

// The codes that a server may send (RFC 6455 §7.4).
const isCloseCode = (value: string) =>
  /^\d{4}$/.test(value) && Number(value) >= 1000 && Number(value) < 5000 && !["1004", "1005", "1006", "1015"].includes(value) &&
  (Number(value) < 1016 || Number(value) >= 3000)
const isStatus = (value: string) => /^[45]\d\d$/.test(value)

const table = {
  reset: plain("r", "resets the TCP connections", Fault.Reset()),
  "reset-one": plain("1", "resets the TCP connection of the oldest client", Fault.ResetOne()),
  drop: plain("d", "ends the TCP connections without a close frame", Fault.Drop()),
  close: {
    key: "c",
    does: "sends a close frame",
    value: { means: "code", usual: "1001", isAllowed: isCloseCode },
    make: (value) => Fault.Close({ code: Number(value), reason: "closed on purpose" })
  },
  mute: plain("m", "sends no more messages, and still answers pings", Fault.Mute()),
  vanish: plain("v", "neither reads nor sends, as if a cable had been pulled", Fault.Vanish()),
  malformed: plain("j", "sends JSON that is cut off", Fault.Malformed()),
  oversize: plain("o", "sends a message of 32 MiB", Fault.Oversize({ bytes: 32 * 1024 * 1024 })),
  violation: plain("x", "sends what RFC 6455 does not allow", Fault.Violation()),
  shutdown: {
    key: "n",
    does: "announces its end, and closes the connections a little later",
    value: { ...seconds, means: "time" },
    make: (value) => Fault.Shutdown({ notice: durationOf(value) })
  },
  restart: {
    key: "s",
    does: "resets the connections, and listens again a little later",
    value: { ...seconds, means: "time" },
    make: (value) => Fault.Restart({ downtime: durationOf(value) })
  },
  refuse: {
    key: "u",
    does: "refuses the next dial",
    value: { means: "status", usual: "503", isAllowed: isStatus },
    make: (value) => Fault.RefuseUpgrades({ times: 1, status: Number(value) })
  },
  delay: {
    key: "w",
    does: "answers the next dial late",
    value: { ...seconds, means: "time" },
    make: (value) => Fault.DelayUpgrades({ times: 1, delay: durationOf(value) })
  },
  "fail-rest": {
    key: "f",
    does: "refuses the next REST request",
    value: { means: "status", usual: "503", isAllowed: isStatus },
    make: (value) => Fault.FailRest({ times: 1, status: Number(value) })
  }
} satisfies Record<string, Row>

const rows: ReadonlyMap<string, Row> = new Map<string, Row>(Object.entries(table))

export const faultNames: ReadonlyArray<string> = [...rows.keys()]

/** A fault with the text that names it. */
export interface Named {
  readonly name: string
  readonly fault: Fault.Fault
}

/** Parses a fault, such as `reset` or `close=1012`. */
export const parseFault = (text: string): Option.Option<Named> => {
  const [, name = "", given] = /^([^=]*)(?:=(.*))?$/s.exec(text.toLowerCase()) ?? []
  const row = rows.get(name)
  if (row === undefined) return Option.none()
  const { make, value } = row
  if (given === undefined) return Option.some({ name, fault: make(value?.usual ?? "") })
  return value?.isAllowed(given) === true ? Option.some({ name: text.toLowerCase(), fault: make(given) }) : Option.none()
}

/** The fault of a key. */
export const faultOfKey = (key: string): Named | undefined => {
  for (const [name, { key: own, make, value }] of rows) {
    if (own === key) return { name, fault: make(value?.usual ?? "") }
  }
  return undefined
}

/** The rows of help: how a fault is written, its key, and what it does. */
export const faultRows: ReadonlyArray<{ readonly name: string; readonly key: string; readonly does: string }> = [...rows].map(
  ([name, { does, key, value }]) => ({
    name: value === undefined ? name : `${name}[=${value.means}]`,
    key,
    does: value === undefined ? does : `${does} (${value.usual})`
  })
)
