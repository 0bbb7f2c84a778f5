// Starts the language server `itc lsp` for specs.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const [command, ...args] = workspace.getConfiguration("itc").get("command");
  client = new LanguageClient("itc", "itc specs", { command, args }, { documentSelector: [{ language: "itn" }] });
  return client.start();
};

exports.deactivate = () => client?.stop();
