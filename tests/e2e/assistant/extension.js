import * as vscode from 'vscode';

const INPUT = { prompt: 'When Mary and John went to the store, John gave a drink to', threshold: 0.04 };

export function activate(context) {
  const folder = vscode.workspace.workspaceFolders[0].uri;
  const write = (name, text) =>
    vscode.workspace.fs.writeFile(vscode.Uri.joinPath(folder, name), Buffer.from(text, 'utf8'));

  const ask = async (name, input, token) => {
    try {
      const result = await vscode.lm.invokeTool(
        'lm_transparency_analyze',
        { input, toolInvocationToken: undefined },
        token,
      );
      await write(name, result.content.map((part) => part.value).join(''));
    } catch (error) {
      await write(name, `refused: ${error.name}: ${error.message}`);
    }
  };

  context.subscriptions.push(
    vscode.commands.registerCommand('assistant.ask', () => ask('answer.txt', INPUT)),
    vscode.commands.registerCommand('assistant.giveUp', async () => {
      const source = new vscode.CancellationTokenSource();
      const asked = ask('given-up.txt', { ...INPUT, prompt: 'word '.repeat(1500) }, source.token);
      setTimeout(() => source.cancel(), 3000);
      await asked;
    }),
    vscode.commands.registerCommand('assistant.keys', async () => {
      const uri = vscode.Uri.parse('vscode://defaultsettings/keybindings.json');
      await write('keys.txt', (await vscode.workspace.openTextDocument(uri)).getText());
    }),
  );
}
