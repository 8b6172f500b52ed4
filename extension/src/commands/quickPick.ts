import type * as vscode from 'vscode';
import { plainLabel } from '../words';

/**
 * Shows a quick pick and resolves with what was chosen; undefined when it was left. It is gone afterwards. Enter where
 * nothing can be chosen leaves it open, with what was typed.
 */
export function picked<T extends vscode.QuickPickItem>(quickPick: vscode.QuickPick<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    quickPick.onDidAccept(() => {
      const [item] = quickPick.selectedItems;
      if (!item) return;
      resolve(item);
      quickPick.hide();
    });
    quickPick.onDidHide(() => {
      resolve(undefined);
      quickPick.dispose();
    });
    quickPick.show();
  });
}

/** Makes Enter choose these, unless something was typed: the filter may hide them, and Enter would do nothing. */
export function pointAt<T extends vscode.QuickPickItem>(quickPick: vscode.QuickPick<T>, items: readonly T[]): void {
  if (quickPick.value === '') quickPick.activeItems = items;
}

/** `$(check)` before the one that is set now. */
export function checked(isChosen: boolean, label: string): string {
  return `${isChosen ? '$(check) ' : ''}${plainLabel(label)}`;
}
