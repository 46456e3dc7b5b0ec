import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { ConfigFile, ReconnectPolicy } from "holdfast"

// Reads the policy from a file with this content and an environment with these variables.
const read = (content: string, variables: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = `${yield* fs.makeTempDirectoryScoped()}/reconnection.json`
    yield* fs.writeFileString(path, content)
    return yield* withFile(path, variables)
  })

const withFile = (path: string | undefined, variables: Readonly<Record<string, string>> = {}) =>
  Effect.suspend(() => {
    const warnings: Array<string> = []
    const environment = new Map(Object.entries({ ...variables, ...(path === undefined ? {} : { HOLDFAST_CONFIG: path }) }))
    return ReconnectPolicy.config.pipe(
      Effect.map((policy) => ({ policy, warnings })),
      Effect.provide(
        ConfigFile.layer.pipe(
          Layer.provideMerge(Logger.replace(
            Logger.defaultLogger,
            Logger.make(({ message }) => {
              warnings.push(String(message))
            })
          )),
          Layer.provideMerge(Layer.setConfigProvider(ConfigProvider.fromMap(environment)))
        )
      )
    )
  })

describe("the settings file", () => {
  const live = <A, E>(name: string, test: () => Effect.Effect<A, E, FileSystem.FileSystem>) =>
    it.scoped(name, () => Effect.provide(test(), NodeFileSystem.layer))

  live("is read for values that the environment does not have", () =>
    Effect.scoped(Effect.gen(function*() {
      const { policy, warnings } = yield* read(
        `{ "websocket_max_retries": 3, "websocket_reconnection_enabled": false, "websocket_initial_delay": "500 millis" }`,
        { WEBSOCKET_MAX_RETRIES: "7" }
      )
      assert.deepStrictEqual(policy, {
        ...ReconnectPolicy.defaults,
        maxRetries: 7,
        enabled: false,
        initialDelay: Duration.millis(500)
      })
      assert.deepStrictEqual(warnings, [])
    })))

  live("is optional", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* withFile(undefined)).policy, ReconnectPolicy.defaults)
      assert.deepStrictEqual((yield* withFile("")).policy, ReconnectPolicy.defaults)
      assert.deepStrictEqual((yield* withFile(" ")).policy, ReconnectPolicy.defaults)
    }))

  live("must exist if HOLDFAST_CONFIG is set", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(withFile("/nowhere/reconnection.json"))
      assert.include(JSON.stringify(error), "/nowhere/reconnection.json")
      assert.include(JSON.stringify(error), "cannot be read: there is no such file or folder")
    }))

  for (const content of ["{", "[]", "7", `{"websocket_max_retries": {}}`]) {
    live(`must be a JSON object of settings, and not ${content}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const error = yield* Effect.flip(read(content))
        assert.include(JSON.stringify(error), "is not a JSON object of settings")
      })))
  }

  for (const content of [
    `{"feed_url": "wss://peer.test/?token=SECRET",}`,
    `{"feed": {"url": "wss://peer.test/?token=SECRET"}}`,
    `{"api_key": SECRET}`
  ]) {
    live(`is refused without showing its content: ${content}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const error = yield* Effect.flip(read(content))
        assert.include(JSON.stringify(error), "is not a JSON object of settings")
        assert.notInclude(JSON.stringify(error), "SECRET")
      })))
  }

  live("is read for empty variables", () =>
    Effect.scoped(Effect.gen(function*() {
      const { policy } = yield* read(`{"websocket_max_retries": 3, "websocket_max_delay": 30}`, { WEBSOCKET_MAX_RETRIES: "", WEBSOCKET_MAX_DELAY: " " })
      assert.deepStrictEqual(policy, { ...ReconnectPolicy.defaults, maxRetries: 3, maxDelay: Duration.seconds(30) })
    })))

  live("is checked like the environment", () =>
    Effect.scoped(Effect.gen(function*() {
      const printed = yield* Effect.map(Effect.flip(read(`{ "websocket_jitter_factor": 2 }`)), String)
      assert.match(
        printed,
        /^\(Invalid data at WEBSOCKET_JITTER_FACTOR: "Expected a number from 0 to 1, but received "2" \(in \/.+\/reconnection\.json\)"\)$/
      )
    })))

  live("is named in the errors about its values, and in no others", () =>
    Effect.scoped(Effect.gen(function*() {
      const printed = (content: string, variables?: Readonly<Record<string, string>>) =>
        Effect.map(Effect.flip(read(content, variables)), String)
      const bad = `{ "websocket_jitter_factor": 2, "websocket_max_retries": -1, "websocket_initial_delay": 100 }`
      assert.match(yield* printed(bad, { WEBSOCKET_MAX_RETRIES: "-2" }), /received "-2""\) and .*received "2" \(in .*\.json\)"\)$/)
      const long = `{ "websocket_initial_delay": 100 }`
      assert.match(yield* printed(long), /maximum of 1m \(in .*\.json\)"\)$/)
      assert.match(yield* printed(long, { WEBSOCKET_MAX_DELAY: "90" }), /WEBSOCKET_MAX_DELAY.*maximum of 1m 30s"\)$/)
    })))

  live("gives a warning for each setting that does not exist", () =>
    Effect.scoped(Effect.gen(function*() {
      const { warnings } = yield* read(`{ "websocket_max_retrys": 3, "WEBSOCKET_MAXDELAY": 3, "something_else": 1 }`)
      assert.strictEqual(warnings.length, 2)
      assert.include(warnings[0] ?? "", "websocket_max_retrys")
      assert.include(warnings[1] ?? "", "WEBSOCKET_MAXDELAY")
    })))
})
