import tseslint from "typescript-eslint"

const clocks = "Read the Clock service: TestClock rules all time in Holdfast."
const chance = "Draw from the Random service: a seeded test must repeat itself."

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
      // Effect's generators yield without being asked to, and its namespaces are the point of it.
      "require-yield": "off",
      "@typescript-eslint/no-namespace": "off",
      "@typescript-eslint/no-redeclare": "off",
      // `Effect<void>` is the honest type of an effect that gives nothing back.
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
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: clocks },
        { object: "performance", property: "now", message: clocks },
        { object: "Math", property: "random", message: chance }
      ],
      "no-restricted-globals": ["error", "setTimeout", "setInterval", "setImmediate"]
    }
  },
  // The reader of a shape is code that is made from a schema.
  { files: ["src/internal/json/compiledReader.ts"], rules: { "@typescript-eslint/no-implied-eval": "off" } },
  // Its documentation passes plain objects where its types name classes that it does not export.
  { files: ["bench/others/binance-spot.ts"], rules: { "@typescript-eslint/no-unsafe-class-instance-assignment": "off" } },
  { files: ["eslint.config.js"], ...tseslint.configs.disableTypeChecked }
)
