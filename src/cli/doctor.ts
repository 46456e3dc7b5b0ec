// `holdfast doctor`: checks what lies between this machine and a venue.
import type * as Command from "@effect/cli/Command"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as ConfigError from "effect/ConfigError"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { parse } from "../binance/Protocol.ts"
import * as StreamKind from "../binance/StreamKind.ts"
import type { Venue } from "../binance/Venue.ts"
import { reasonOf } from "../internal/reason.ts"
import { monotonic } from "../internal/time/monotonic.ts"
import { within } from "../internal/time/timeout.ts"
import type { Socket } from "../Transport.ts"
import { Transport } from "../Transport.ts"
import { certificateOf, isAddress, resolveHost } from "./network.ts"
import type { doctorConfig } from "./options.ts"
import { madeUp } from "./program.ts"
import { everything, sentences, unknownSettings } from "./settingsTable.ts"
import { withoutControl, withoutSecrets } from "./shown.ts"
import { lookOf } from "./terminal.ts"
import type { Outcome, Verdict } from "./verdict.ts"
import * as Verdicts from "./verdict.ts"
import * as VenueChoice from "./VenueChoice.ts"
import { padEnd, wrap } from "./width.ts"

/** Some checks have failed. */
export class NotWell extends Data.TaggedError("NotWell")<{ readonly checks: ReadonlyArray<string> }> {
  override get message(): string {
    return `Not well: ${this.checks.join(", ")}.`
  }
}

const deadline = Duration.seconds(10)

const failed = (error: string): Verdicts.Failed => ({ error })

// The time that an effect takes, in milliseconds.
const took = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const begun = yield* monotonic
    const result = yield* effect
    return { result, took: (yield* monotonic) - begun }
  })

// The facts of a check, or why there are none.
const factsOf = <A, R>(effect: Effect.Effect<A, string, R>) => Effect.merge(Effect.mapError(effect, failed))

// ---------------------------------------------------------------------------------------------------------------------
// The checks

const checkSettings = Effect.map(Effect.either(everything), (read) =>
  Verdicts.settings({
    errors: Either.match(read, { onLeft: sentences, onRight: () => [] }),
    unknown: unknownSettings(Object.keys(process.env))
  }))

const checkDns = (host: string) =>
  isAddress(host) ? Effect.succeed(Verdicts.skipped("DNS", `${host} is an address.`)) : Effect.map(
    factsOf(Effect.map(took(resolveHost(host)), ({ result, took }) => ({ host, addresses: result, took }))),
    Verdicts.dns
  )

const checkTls = (url: URL, isDirect: boolean) => {
  if (url.protocol !== "wss:") return Effect.succeed(Verdicts.skipped("TLS", `${withoutSecrets(url.href)} has none.`))
  if (!isDirect) return Effect.succeed(Verdicts.skipped("TLS", "The handshake below goes through the proxy, with TLS."))
  return factsOf(Effect.gen(function*() {
    const { result, took: time } = yield* took(certificateOf(url.hostname, Number(url.port) || 443))
    const now = yield* Clock.currentTimeMillis
    return { ...result, left: Date.parse(result.validTo) - now, took: time }
  })).pipe(Effect.map(Verdicts.tls))
}

// How many pings are sent: the middle one counts.
const pings = 3

const checkSocket = (socket: Socket, stream: string) =>
  Effect.gen(function*() {
    const answered = yield* Deferred.make<number, string>()
    const arrived = yield* Deferred.make<number>()
    const begun = yield* monotonic
    yield* Effect.forkScoped(Effect.catchAll(
      socket.receive((batch) =>
        Effect.flatMap(monotonic, (now) =>
          Effect.forEach(batch, (message) => {
            const read = parse(message)
            if (read._tag === "Acknowledged") return Deferred.succeed(answered, now - begun)
            if (read._tag === "Refused") return Deferred.fail(answered, `The venue refused the subscription: ${read.reason}.`)
            return read._tag === "Data" ? Deferred.succeed(arrived, now - begun) : Effect.void
          }, { discard: true }))
      ),
      ({ message }) => Deferred.fail(answered, message)
    ))
    const trips = yield* factsOf(
      Effect.replicateEffect(Effect.map(took(socket.ping), ({ took }) => took), pings).pipe(
        Effect.map((trips) => ({ trips })),
        Effect.mapError(({ message }) => message),
        within(deadline, () => "No pong came within 10s.")
      )
    )
    yield* Effect.ignore(socket.send(JSON.stringify({ method: "SUBSCRIBE", params: [stream], id: 1 })))
    const answer = yield* factsOf(
      Deferred.await(answered).pipe(
        Effect.map((took) => ({ took })),
        within(deadline, () => `The venue did not answer the subscription to ${stream} within 10s.`)
      )
    )
    const first = yield* factsOf(
      Deferred.await(arrived).pipe(
        Effect.map((took) => ({ took })),
        within(deadline, () => `No data of ${stream} came within 10s.`)
      )
    )
    return [Verdicts.ping(trips), Verdicts.acknowledged(answer), Verdicts.data(first)]
  })

const checkSockets = (url: string, stream: string) =>
  Effect.gen(function*() {
    const transport = yield* Transport
    const dialled = yield* Effect.either(
      took(transport.dial({
        url: Redacted.make(url),
        protocols: [],
        headers: {},
        maxMessageBytes: 16 * 1024 * 1024,
        closeTimeout: Duration.seconds(2)
      })).pipe(Effect.mapError(({ message }) => message), within(deadline, () => "No WebSocket opened within 10s."))
    )
    if (Either.isLeft(dialled)) {
      const later = ["ping", "subscribe", "data"].map((check) => Verdicts.skipped(check, "No WebSocket opened."))
      return [Verdicts.handshake(failed(dialled.left)), ...later]
    }
    return [Verdicts.handshake(dialled.right), ...yield* checkSocket(dialled.right.result, stream)]
  }).pipe(Effect.scoped)

const Time = Schema.Struct({ serverTime: Schema.Number })

const checkRest = ({ api, rest, weightPerMinute }: Venue) =>
  Effect.gen(function*() {
    const asked = yield* Effect.either(Effect.gen(function*() {
      const begun = yield* Clock.currentTimeMillis
      const { result: response, took: trip } = yield* took(
        HttpClient.get(`${rest}${api}/time`).pipe(
          Effect.mapError((error) => `${withoutSecrets(rest)} cannot be asked: ${reasonOf(error.cause ?? error)}.`),
          within(deadline, () => `${withoutSecrets(rest)} did not answer within 10s.`)
        )
      )
      if (response.status !== 200) return yield* Effect.fail(`${withoutSecrets(rest)} answered with status ${response.status}.`)
      const { serverTime } = yield* Effect.mapError(
        Effect.flatMap(response.json, Schema.decodeUnknown(Time)),
        () => `${withoutSecrets(rest)} gave no time.`
      )
      const used = Number(response.headers["x-mbx-used-weight-1m"] ?? Number.NaN)
      return { skew: serverTime - (begun + trip / 2), uncertainty: trip / 2 + 1, used: Number.isNaN(used) ? undefined : used }
    }))
    return Either.match(asked, {
      onLeft: (error) => [Verdicts.clock(failed(error)), Verdicts.weight(failed(error))],
      onRight: ({ skew, uncertainty, used }) => [
        Verdicts.clock({ skew, uncertainty }),
        Verdicts.weight({ used, limit: weightPerMinute })
      ]
    })
  })

// ---------------------------------------------------------------------------------------------------------------------
// What is printed

const colours: Readonly<Record<Outcome, number>> = { ok: 32, warn: 33, fail: 31, skip: 90 }

const checkWidth = 11

/** The lines of a verdict. */
export const linesOf = ({ advice, check, outcome, says }: Verdict, columns: number, hasColours: boolean): ReadonlyArray<string> => {
  const mark = hasColours ? `\u001b[${colours[outcome]}m${outcome.padEnd(4)}\u001b[0m` : outcome.padEnd(4)
  const indent = " ".repeat(4 + 2 + checkWidth + 2)
  const room = columns - indent.length
  const [first = "", ...more] = room < 20 ? [says] : wrap(says, room)
  const below = advice === undefined ? [] : room < 20 ? [`-> ${advice}`] : wrap(`-> ${advice}`, room)
  return [`${mark}  ${padEnd(check, checkWidth)}  ${first}`, ...[...more, ...below].map((line) => `${indent}${line}`)]
}

export const doctor = ({ json, stream, ...where }: Command.Command.ParseConfig<typeof doctorConfig>) =>
  Effect.gen(function*() {
    const verdicts: Array<Verdict> = []
    const { columns, isTTY } = process.stdout
    const { hasColours } = lookOf(process.env, isTTY)
    const tell = (all: ReadonlyArray<Verdict>) =>
      Effect.forEach(all, (found) => {
        verdicts.push(found)
        const verdict = { ...found, says: withoutControl(found.says) }
        if (json) return Console.log(JSON.stringify(verdict))
        return Effect.forEach(linesOf(verdict, isTTY ? columns : 100, hasColours), (line) => Console.log(line), { discard: true })
      }, { discard: true })

    const ofSettings = yield* checkSettings
    const { isMadeUp, transport: layer, venue } = yield* Effect.tapError(VenueChoice.resolve(where), () => tell([ofSettings]))
    const name = Option.getOrElse(stream, () => `${VenueChoice.usualSymbol(venue)}@bookTicker`)
    const base = typeof venue.ws === "string" ? venue.ws : venue.ws[0]
    const url = new URL(base)
    const address = `${base}${venue.path(StreamKind.parse(name).kind)}`
    if (!json) {
      if (isMadeUp) yield* Console.log(madeUp)
      yield* Console.log(`Checking ${withoutSecrets(base)} and ${withoutSecrets(venue.rest)}, with ${name}.`)
    }
    yield* tell([ofSettings])
    const checks = Effect.gen(function*() {
      const { proxies = [] } = yield* Transport
      yield* tell([Verdicts.proxy({ hosts: proxies.map((proxy) => withoutSecrets(Redacted.value(proxy))) })])
      if (proxies.length === 0) yield* Effect.flatMap(checkDns(url.hostname), (verdict) => tell([verdict]))
      else yield* tell([Verdicts.skipped("DNS", "The proxy may look the host up.")])
      yield* Effect.flatMap(checkTls(url, proxies.length === 0), (verdict) => tell([verdict]))
      yield* Effect.flatMap(checkSockets(address, name), tell)
    }).pipe(Effect.provide(layer), Effect.catchAll((error) =>
      tell([Verdicts.proxy(failed(ConfigError.isConfigError(error) ? sentences(error).join(" ") : error.message))])))
    yield* checks
    yield* Effect.flatMap(checkRest(venue), tell)

    const bad = verdicts.filter(({ outcome }) => outcome === "fail").map(({ check }) => check)
    if (bad.length > 0) return yield* new NotWell({ checks: bad })
    if (!json) yield* Console.log("All is well.")
  }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
