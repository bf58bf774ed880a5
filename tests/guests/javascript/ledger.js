// A ledger of a few accounts, in JavaScript. State is what the module holds. A tool that refuses throws the case of the WIT variant.

const accounts = [
  { id: "A-1", name: "Cash", kind: "asset", balance: { cents: 50000 } },
  { id: "A-2", name: "Sales", kind: "income", balance: { cents: 0 } },
  { id: "A-3", name: "Rent", kind: "expense", balance: { cents: 0 } },
];
const entries = [];
let closed = false;

function account(id) {
  const found = accounts.find((a) => a.id === id);
  if (!found) throw { tag: "not-found", val: `there is no account ${id}` };
  return found;
}

export const tools = {
  accounts(kind) {
    return accounts.filter((a) => kind == null || a.kind === kind);
  },

  history(id) {
    account(id);
    return entries.filter((e) => e.source === id || e.target === id);
  },

  post(day, source, target, amount, note) {
    if (closed) throw { tag: "closed" };
    const [from, to] = [account(source), account(target)];
    if (!(amount.cents > 0)) throw { tag: "bad-amount", val: "an amount is above zero" };
    if (from.kind === "asset" && from.balance.cents < amount.cents) {
      throw { tag: "bad-amount", val: `${from.name} holds less than that` };
    }
    from.balance.cents -= amount.cents;
    to.balance.cents += amount.cents;
    const entry = { number: entries.length + 1, day, source, target, amount, note };
    entries.push(entry);
    return entry;
  },

  close() {
    closed = true;
  },
};
