// Reads real data from the API through the generated client, and prints it as JSON.
import { createClient } from "./client/client/index.js";
import { listFollowUps, readCampaign, readStatus, readUser, recordInteractions } from "./client/index.js";
import type { Campaign, FollowUpView } from "./client/index.js";

declare const process: { argv: string[]; stdout: { write(text: string): void } };
const [address, key, user] = process.argv.slice(2);
const client = createClient({ baseUrl: address, auth: () => key });

const reported = await recordInteractions({
  client,
  body: { interactions: [{ user, type: "event", name: "cart_abandoned" }] },
  throwOnError: true,
});
const described = await readUser({ client, path: { id: user }, throwOnError: true });
const campaign = await readCampaign({ client, path: { id: "cart-reminder" }, throwOnError: true });
const definition = campaign.data.definition as Campaign;
const status = await readStatus({ client, throwOnError: true });

const states: FollowUpView["state"][] = [];
let after: string | undefined;
let pages = 0;
do {
  const page = await listFollowUps({ client, query: { campaign: "cart-reminder", limit: 2, after }, throwOnError: true });
  states.push(...page.data.follow_ups.map((one) => one.state));
  after = page.data.next ?? undefined;
  pages += 1;
} while (after !== undefined);

const missing = await readCampaign({ client, path: { id: "nothing" } });
const wrong = await recordInteractions({ client, body: { interactions: [] }, auth: () => "wrong" });

process.stdout.write(
  JSON.stringify({
    reported: reported.data.results.map((one) => one.status),
    firstName: described.data.first_name,
    trigger: definition.delivery.type === "action_based" ? definition.delivery.trigger.length : 0,
    campaigns: status.data.campaigns.map((one) => one.id),
    states,
    pages,
    missing: [missing.response?.status, missing.error?.error.code],
    wrong: [wrong.response?.status, wrong.error?.error.code],
  }),
);
