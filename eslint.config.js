import { readFileSync } from "node:fs"
import tseslint from "typescript-eslint"

const clocks = "Use the Clock service, so that tests can control time with TestClock."
const intervals = "Measure with internal/time/monotonic.ts: the wall clock can be set. It is only for times that are shown."
const chance = "Use the Random service, so that tests with a seed are reproducible."

// Names that the glossary in ARCHITECTURE.md has replaced, as words of a camelCase name.
const retired = Object.entries(JSON.parse(readFileSync(new URL(".ci/retired.json", import.meta.url), "utf8")))
// Words before which a retired name is the standard's own term: RFC 6455's close frame.
const allowedAfter = { frame: "[cC]lose" }
const refusedNames = (but = []) =>
  retired.filter(([word]) => !but.includes(word)).map(([word, better]) => {
    const capital = `${word in allowedAfter ? `(?<!${allowedAfter[word]})` : ""}${word[0].toUpperCase()}${word.slice(1)}`
    return {
      selector: `:matches(Identifier, PrivateIdentifier)[name=/^(.*[a-z0-9])?${capital}s?(?![a-z])|^_?${word}s?(?![a-z])/]`,
      message: `"${word}" is a retired name. Write ${better} (see the glossary in ARCHITECTURE.md).`
    }
  })

const services = [
  { object: "Date", property: "now", message: clocks },
  { object: "performance", property: "now", message: clocks },
  { object: "Math", property: "random", message: chance }
]
const wallClock = ["currentTimeMillis", "unsafeCurrentTimeMillis"].map((property) => ({ property, message: intervals }))

// The modules that show wall time: in events, states, log lines and files.
const wallTime = [
  "src/internal/transport/wsDial.ts",
  "src/binance/Rest.ts",
  "src/binance/internal/openInterest.ts",
  "src/binance/exchange/{Exchange,RestApi}.ts",
  "src/cli/{book,connect,demo,doctor,exchange,program,record}.ts",
  "src/internal/recording/recorder.ts",
  "src/internal/connection/{handle,inbox,lifetime,loop,retryState}.ts",
  "src/internal/feed/feed.ts",
  "src/internal/observe/{guard,observer,routes}.ts",
  "src/internal/pool/pooledConnection.ts",
  "src/internal/session/session.ts",
  "src/internal/time/clockJumps.ts",
  "src/testing/TestTransport.ts"
]

export default tseslint.config(
  { ignores: ["**/dist/", "coverage/", ".ci/", ".docs/", "**/node_modules/"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } }
    },
    rules: {
      "no-console": "error",
      "eqeqeq": "error",
      // Effect.gen allows generators without `yield`; a type and its constructors share one name.
      "require-yield": "off",
      "@typescript-eslint/no-namespace": "off",
      "@typescript-eslint/no-redeclare": "off",
      // `Effect<void>` is the type of an effect without a result.
      "@typescript-eslint/no-invalid-void-type": "off",
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "never" }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }]
    }
  },
  {
    files: ["src/**/*.ts"],
    rules: {
      "no-restricted-properties": ["error", ...services, ...wallClock],
      "no-restricted-globals": ["error", "setTimeout", "setInterval", "setImmediate"]
    }
  },
  { files: wallTime, rules: { "no-restricted-properties": ["error", ...services] } },
  { files: ["src/**/*.ts", "test/**/*.ts", "examples/**/*.ts"], rules: { "no-restricted-syntax": ["error", ...refusedNames()] } },
  // RFC 6455's frames, and Node's IncomingMessage.
  { files: ["src/NodeTransport.ts", "src/internal/transport/ws*.ts"], rules: { "no-restricted-syntax": ["error", ...refusedNames(["frame", "incoming"])] } },
  // RFC 6455's frames.
  { files: ["test/**/*.ts"], rules: { "no-restricted-syntax": ["error", ...refusedNames(["frame"])] } },
  // Node's IncomingMessage, and the takers of orders.
  { files: ["src/binance/exchange/*.ts"], rules: { "no-restricted-syntax": ["error", ...refusedNames(["incoming", "taker"])] } },
  { files: ["test/proofs/simulate/Invariants.ts"], rules: { "no-restricted-syntax": ["error", ...refusedNames(["taker"])] } },
  // Compiles a schema to source code, and evaluates it.
  { files: ["src/internal/json/compiledReader.ts"], rules: { "@typescript-eslint/no-implied-eval": "off" } },
  // The library's documentation passes plain objects where its types require classes that it does not export.
  { files: ["bench/others/binance-spot.ts"], rules: { "@typescript-eslint/no-unsafe-class-instance-assignment": "off" } },
  { files: ["eslint.config.js"], ...tseslint.configs.disableTypeChecked }
)
