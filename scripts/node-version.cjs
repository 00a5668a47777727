'use strict'
// Loaded before every script of package.json: an older Node would fail on the first type annotation with a riddle.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 6)) {
  console.error(`ringmq needs Node 24.6 or newer, this is ${process.version} (${process.execPath}).\n` +
    'Run `npm ci` (it installs Node 26 into node_modules) and start through npm: `npm start`, `npm test`, `npm run -s ringmq -- COMMAND`.')
  process.exit(1)
}

// Before the first .ts file is loaded: from the second start on no types are stripped, and the stripper is not even loaded.
require('node:module').enableCompileCache()
