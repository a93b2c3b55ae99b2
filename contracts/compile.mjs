// Compile contracts/src with the pinned solc and write contracts/artifacts/<Name>.json.
// The output depends on the sources and the compiler only, so a test can rebuild it and compare byte by byte.
// Usage: node contracts/compile.mjs [OUTPUT_DIRECTORY]
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(HERE, "src");
const OUTPUT = process.argv[2] ?? join(HERE, "artifacts");

function solidityFiles(directory) {
  return readdirSync(directory, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return solidityFiles(path);
      return entry.name.endsWith(".sol") ? [path] : [];
    });
}

function standardInput() {
  const sources = {};
  for (const path of solidityFiles(SOURCES)) {
    sources[relative(HERE, path).split(sep).join("/")] = { content: readFileSync(path, "utf8") };
  }
  return {
    language: "Solidity",
    sources,
    settings: {
      optimizer: { enabled: true, runs: 200 },
      evmVersion: "london",
      metadata: { bytecodeHash: "none" },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
}

const output = JSON.parse(solc.compile(JSON.stringify(standardInput())));
const problems = output.errors ?? [];
for (const problem of problems) console.error(problem.formattedMessage);
if (problems.length > 0) process.exit(1); // a warning is an error

rmSync(OUTPUT, { recursive: true, force: true });
mkdirSync(OUTPUT, { recursive: true });
let count = 0;
for (const contracts of Object.values(output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) {
    const artifact = {
      contractName: name,
      abi: contract.abi,
      bytecode: `0x${contract.evm.bytecode.object}`,
      deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
    };
    writeFileSync(join(OUTPUT, `${name}.json`), `${JSON.stringify(artifact, null, 1)}\n`);
    count += 1;
  }
}
console.log(`${count} artifacts, solc ${solc.version()}`);
