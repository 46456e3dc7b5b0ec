// What doctor and config say, the messages of connect, the faults of exchange, and the exit codes.
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import { ConnectionError, Item } from "holdfast"
import { Fault } from "holdfast/binance/exchange"
import { linesOf } from "../../src/cli/doctor.ts"
import * as ExitCode from "../../src/cli/exitCode.ts"
import { faultOfKey, faultRows, parseFault } from "../../src/cli/faults.ts"
import { gapJson, headersOf, messageJson, messageText } from "../../src/cli/message.ts"
import { didYouMean, near } from "../../src/cli/near.ts"
import { NeverConnected } from "../../src/cli/NeverConnected.ts"
import { effective, settings, unknownSettings } from "../../src/cli/settingsTable.ts"
import * as Verdict from "../../src/cli/verdict.ts"
import { WrongVenue } from "../../src/cli/VenueChoice.ts"

describe("a verdict", () => {
  const error = { error: "It failed." }
  const day = 86_400_000
  const cases: ReadonlyArray<readonly [Verdict.Verdict, Verdict.Outcome, string]> = [
    [Verdict.settings({ errors: [], unknown: [] }), "ok", "All settings are allowed."],
    [Verdict.settings({ errors: ["A: wrong."], unknown: ["B is no setting."] }), "fail", "A: wrong."],
    [Verdict.settings({ errors: [], unknown: ["B is no setting."] }), "warn", "B is no setting."],
    [Verdict.dns(error), "fail", "It failed."],
    [Verdict.dns({ host: "h", addresses: ["1.1.1.1"], took: 12 }), "ok", "h has 1 address, found in 12ms: 1.1.1.1."],
    [Verdict.dns({ host: "h", addresses: ["1", "2", "3", "4"], took: 1_001 }), "warn", "h has 4 addresses, found in 1s 1ms: 1, 2, 3 …."],
    [Verdict.proxy({ hosts: [] }), "ok", "None: sockets are dialled directly."],
    [Verdict.proxy({ hosts: ["http://p:1"] }), "ok", "Sockets may be dialled through http://p:1."],
    [Verdict.proxy(error), "fail", "It failed."],
    [Verdict.tls({ protocol: "TLSv1.3", issuer: "CA", left: 8 * day, took: 5 }), "ok", "TLSv1.3 in 5ms; the certificate is of CA and ends in 8 days."],
    [Verdict.tls({ protocol: "TLSv1.3", issuer: "CA", left: 6 * day, took: 5 }), "warn", "TLSv1.3 in 5ms; the certificate is of CA and ends in 6 days."],
    [Verdict.tls(error), "fail", "It failed."],
    [Verdict.handshake({ took: 40 }), "ok", "The WebSocket opened in 40ms."],
    [Verdict.handshake({ took: 3_001 }), "warn", "The WebSocket opened in 3s 1ms."],
    [Verdict.handshake(error), "fail", "It failed."],
    [Verdict.ping({ trips: [30, 10, 20] }), "ok", "The round trip takes 20ms (10ms, 20ms, 30ms)."],
    [Verdict.ping({ trips: [600, 501, 1] }), "warn", "The round trip takes 501ms (1ms, 501ms, 600ms)."],
    [Verdict.ping(error), "fail", "It failed."],
    [Verdict.acknowledged({ took: 9 }), "ok", "The venue acknowledged the subscription in 9ms."],
    [Verdict.acknowledged(error), "fail", "It failed."],
    [Verdict.data({ took: 9 }), "ok", "The first data came after 9ms."],
    // A stream may be quiet.
    [Verdict.data(error), "warn", "It failed."],
    [Verdict.clock({ skew: 3, uncertainty: 10 }), "ok", "This machine and the venue have the same time, within 10ms."],
    [Verdict.clock({ skew: -100, uncertainty: 10 }), "ok", "This machine is 100ms ahead of the venue, within 10ms."],
    [Verdict.clock({ skew: 700, uncertainty: 10 }), "warn", "This machine is 700ms behind the venue, within 10ms."],
    [Verdict.clock({ skew: 1_100, uncertainty: 200 }), "warn", "This machine is 1s 100ms behind the venue, within 200ms."],
    [Verdict.clock({ skew: 1_300, uncertainty: 200 }), "fail", "This machine is 1s 300ms behind the venue, within 200ms."],
    [Verdict.clock(error), "fail", "It failed."],
    [Verdict.weight({ used: 3_000, limit: 6_000 }), "ok", "This address has used 3000 of 6000 in a minute."],
    [Verdict.weight({ used: 3_001, limit: 6_000 }), "warn", "This address has used 3001 of 6000 in a minute."],
    [Verdict.weight({ used: undefined, limit: 6_000 }), "skip", "The venue does not say how much this address has used."],
    [Verdict.weight(error), "fail", "It failed."]
  ]
  for (const [verdict, outcome, says] of cases) {
    it(`${verdict.check}: ${outcome}, ${says}`, () => {
      assert.deepStrictEqual([verdict.outcome, verdict.says], [outcome, says])
      // What is not well says what to do.
      if (outcome === "fail" || outcome === "warn") assert.isString(verdict.advice)
    })
  }

  it("is shown in columns, with what to do below", () => {
    assert.deepStrictEqual(linesOf({ check: "ping", outcome: "warn", says: "It is slow today.", advice: "Move nearer." }, 40, false), [
      "warn  ping         It is slow today.",
      "                   -> Move nearer."
    ])
  })
})

describe("a setting", () => {
  const of = (name: string, sources: Partial<Parameters<typeof effective>[0]>) =>
    effective({ environment: {}, file: new Map(), options: new Map(), ...sources }).find((each) => each.name === name)

  it("comes from the option, the environment, the file or the default, in this order", () => {
    const file = new Map([["log_level", "warn"], ["hTTP_PROXY", "x"]])
    const environment = { LOG_LEVEL: "info" }
    const options = new Map([["LOG_LEVEL", "debug"]])
    const name = "LOG_LEVEL"
    assert.deepStrictEqual(of(name, { file, environment, options }), { name, value: "debug", source: "option" })
    assert.deepStrictEqual(of(name, { file, environment }), { name, value: "info", source: "environment" })
    assert.deepStrictEqual(of(name, { file, environment: { LOG_LEVEL: " " } }), { name, value: "warn", source: "file" })
    assert.deepStrictEqual(of(name, {}), { name, value: "off", source: "default" })
  })

  it("is not read from the file if only the environment has it", () => {
    assert.strictEqual(of("NO_COLOR", { file: new Map([["no_color", "1"]]) })?.source, "default")
  })

  it("is not shown if it is secret", () => {
    const environment = { BINANCE_API_KEY: "hidden", WEBSOCKET_PROXY: "http://me:hidden@host:1", HTTPS_PROXY: "http://me:hidden@host:1" }
    assert.strictEqual(of("BINANCE_API_KEY", { environment })?.value, "(hidden)")
    assert.notInclude(JSON.stringify(effective({ environment: { ...environment, BINANCE_API_KEY: "secret" }, file: new Map(), options: new Map() })), "secret")
    assert.strictEqual(of("WEBSOCKET_PROXY", { environment })?.value, "http://…@host:1")
    assert.strictEqual(of("HTTPS_PROXY", { environment })?.value, "http://…@host:1")
    assert.strictEqual(of("WEBSOCKET_PROXY", { environment: { WEBSOCKET_PROXY: "environment" } })?.value, "environment")
  })

  it("that is none is told, with the one that may be meant", () => {
    assert.deepStrictEqual(unknownSettings(["WEBSOCKET_MAX_RETRYS", "PATH", ...settings.map(({ name }) => name)]), [
      "WEBSOCKET_MAX_RETRYS is no setting. Did you mean WEBSOCKET_MAX_RETRIES?"
    ])
  })
})

describe("what a misspelled word may mean", () => {
  const names = ["watch", "book", "record", "replay", "spot"]
  for (
    const [word, meant] of [
      ["wtach", " Did you mean watch?"],
      ["re", ""],
      ["rec", " Did you mean record?"],
      ["rep", " Did you mean replay?"],
      ["sopt", " Did you mean spot?"],
      ["BOOK", " Did you mean book?"],
      ["nothing", ""]
    ] as const
  ) {
    it(word, () => {
      assert.strictEqual(didYouMean(near(word, names)), meant)
    })
  }
})

describe("a message of any protocol", () => {
  const cause = new ConnectionError.ConnectionClosed({ code: 1006, reason: "", openFor: Duration.seconds(7) })

  it("is printed as it is into a pipe, and without commands on a terminal", () => {
    assert.strictEqual(messageText("a\u001b[31m\tb\nc", false), "a\u001b[31m\tb\nc")
    assert.strictEqual(messageText("a\u001b[31m\tb\nc", true), "a [31m\tb\nc")
    assert.strictEqual(messageText(new Uint8Array([0, 255]), true), "AP8=")
  })

  it("is an object of JSON, and so is a gap", () => {
    assert.strictEqual(messageJson("a\nb", 5), `{"type":"text","data":"a\\nb","timestamp":5}`)
    assert.strictEqual(messageJson(new Uint8Array([0, 255]), 5), `{"type":"binary","data":"AP8=","timestamp":5}`)
    assert.deepStrictEqual(JSON.parse(gapJson(Item.Gap({ epoch: 2, cause, downtime: Duration.millis(800), dropped: 3 }), 5)), {
      type: "gap",
      cause: { error: "ConnectionClosed", message: cause.message },
      downtime: 800,
      dropped: 3,
      epoch: 2,
      timestamp: 5
    })
  })

  it("has headers, of which those with the same name are one", () => {
    assert.deepStrictEqual(headersOf(["X-Token: a:b", "cookie:c=1", "Cookie: d=2"]), { "x-token": "a:b", cookie: "c=1, d=2" })
  })
})

describe("a fault", () => {
  it("has a name, a key, and a value where it takes one", () => {
    const fault = (text: string) => Option.getOrUndefined(parseFault(text))
    assert.deepStrictEqual(fault("reset"), { name: "reset", fault: Fault.Reset() })
    assert.deepStrictEqual(fault("close"), { name: "close", fault: Fault.Close({ code: 1001, reason: "closed on purpose" }) })
    assert.deepStrictEqual(fault("CLOSE=4000")?.fault, Fault.Close({ code: 4000, reason: "closed on purpose" }))
    assert.deepStrictEqual(fault("restart=0.5s")?.fault, Fault.Restart({ downtime: "0.5 seconds" }))
    assert.deepStrictEqual(fault("refuse=429")?.fault, Fault.RefuseUpgrades({ times: 1, status: 429 }))
    for (const wrong of ["reset=1", "close=1006", "close=1016", "close=5000", "restart=2", "refuse=200", "nothing", "", "constructor"]) {
      assert.isUndefined(fault(wrong), wrong)
    }
  })

  it("has a key of its own", () => {
    const keys = faultRows.map(({ key }) => key)
    assert.strictEqual(new Set(keys).size, keys.length)
    for (const key of keys) assert.isDefined(faultOfKey(key))
    assert.deepStrictEqual(faultOfKey("r"), { name: "reset", fault: Fault.Reset() })
    assert.isUndefined(faultOfKey("q"))
  })
})

describe("the exit code", () => {
  const fails = (error: unknown) => ExitCode.of(Exit.fail(error), 0)

  it("is 0 if all went well, 1 if something failed, and 2 if nothing was begun", () => {
    assert.strictEqual(ExitCode.of(Exit.void, 1), 0)
    assert.strictEqual(fails(new NeverConnected({ within: Duration.seconds(1) })), 1)
    assert.strictEqual(ExitCode.of(Exit.die("defect"), 0), 1)
    assert.strictEqual(fails(new WrongVenue({ message: "" })), 2)
    assert.strictEqual(fails(ConfigError.InvalidData([], "")), 2)
  })

  it("of a program that was interrupted depends on what it had come to", () => {
    const interrupted = Exit.failCause(Cause.interrupt(FiberId.none))
    assert.deepStrictEqual([ExitCode.of(interrupted, 0), ExitCode.of(interrupted, 1)], [0, 1])
  })
})
