// Uses callmux (npm)'s own client of the management interface as a program would, and prints what each call gave.
import { ManagementClient } from "callmux";

const [baseUrl, token] = process.argv.slice(2);
const told = {};
const say = async (name, work) => {
  try {
    told[name] = { value: await work() };
  } catch (error) {
    told[name] = { error: error.message };
  }
};
const client = new ManagementClient({ baseUrl: `${baseUrl}//`, token });
await say("status", () => client.status());
await say("effectiveConfig", () => client.effectiveConfig());
await say("servers", () => client.servers());
await say("addDry", () => client.addServer("b", { command: "b" }, { dryRun: true }));
await say("add", () => client.addServer("b", { command: "b", env: { KEY: "s3cr3t-value-1" } }));
await say("addTools", () => client.updateServer("b", { addTools: ["t"] }));
await say("removeTools", () => client.updateServer("b", { addTools: ["u"], removeTools: ["t"] }));
await say("tools", () => client.updateServer("b", { tools: [] }));
await say("disable", () => client.updateServer("b", { disabled: true }));
await say("restartDisabled", () => client.restartServer("b"));
await say("config", () => client.updateServer("b", { config: { command: "c" } }));
await say("updateDry", () => client.updateServer("b", { disabled: true, dryRun: true }));
await say("restart", () => client.restartServer("b"));
await say("clear", () => client.clearCache());
await say("clearOne", () => client.clearCache({ tool: "t", server: "b" }));
await say("slash", () => client.addServer("@scope/x", { command: "x" }));
await say("restartSlash", () => client.restartServer("@scope/x"));
await say("removeSlash", () => client.removeServer("@scope/x"));
await say("removeDry", () => client.removeServer("b", { dryRun: true }));
await say("remove", () => client.removeServer("b"));
await say("missing", () => client.removeServer("zzz"));
await say("impossible", () => client.addServer("x", { command: "a", url: "http://b" }));
await say("nothing", () => client.addServer("x", {}));
const stranger = new ManagementClient({ baseUrl, token: "wrong" });
await say("strangerReads", () => stranger.servers());
await say("strangerWrites", () => stranger.removeServer("a"));
const aborted = new AbortController();
aborted.abort();
await say("aborted", () => client.status({ signal: aborted.signal }));
const elsewhere = new ManagementClient({ baseUrl: baseUrl.replace("/management/v1", "/nothing"), token });
await say("elsewhere", () => elsewhere.status());
console.log(JSON.stringify(told));
