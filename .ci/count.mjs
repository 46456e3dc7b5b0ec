// Prints how many tests passed and failed, from Vitest's own report.
import { readFileSync } from "node:fs"

const { numFailedTests, numPassedTests, numTotalTests } = JSON.parse(readFileSync(process.argv[2], "utf8"))
const skipped = numTotalTests - numPassedTests - numFailedTests
console.log(`${numPassedTests} passed, ${numFailedTests} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
