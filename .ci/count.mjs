// Prints the numbers of passed and failed tests from Vitest's report. A skipped test counts as failed.
import { readFileSync } from "node:fs"

const { numFailedTests, numPassedTests, numTotalTests } = JSON.parse(readFileSync(process.argv[2], "utf8"))
const skipped = numTotalTests - numPassedTests - numFailedTests
if (skipped > 0) process.exitCode = 1
console.log(`${numPassedTests} passed, ${numFailedTests + skipped} failed`)
