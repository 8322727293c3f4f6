// SPDX-License-Identifier: Apache-2.0
#include "controlplane/dns/resolver.h"

#include <arpa/inet.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <random>
#include <unordered_map>

#include "controlplane/dns/channel.h"
#include "controlplane/dns/waiter.h"

namespace sallyport::dns {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using AnswerPtr = std::shared_ptr<const Answer>;
using AnswerWaiter = Waiter<AnswerPtr>;

struct Resolver::State : std::enable_shared_from_this<Resolver::State> {
  explicit State(asio::io_context& of) : context(of) {}

  struct CacheEntry {
    AnswerPtr answer;
    Clock::time_point expires;
    std::list<std::string>::iterator age;
  };
  struct Waiting {
    uint64_t id;
    AnswerWaiter waiter;
  };
  struct Question {  // all who asked the same and wait
    uint64_t serial = 0;
    std::vector<Waiting> waiting;
    std::unique_ptr<asio::steady_timer> deadline;
  };

  asio::io_context& context;
  ResolverOptions options;
  ResolverCounters counters;
  std::shared_ptr<Channel> channel;
  std::vector<std::weak_ptr<Channel>> retired;
  std::unordered_map<std::string, CacheEntry> cache;
  std::list<std::string> by_age;  // oldest first
  std::unordered_map<std::string, Question> questions;
  uint64_t next_id = 1;
  bool stopped = false;

  asio::awaitable<AnswerPtr> ask(std::string name, QuestionKind kind);
  void begin(const std::string& key, const std::string& name, QuestionKind kind, AnswerWaiter waiter);
  void on_answer(const std::string& key, uint64_t serial, Answer answer);
  void finish(const std::string& key, AnswerPtr answer);
  void forget_waiting(const std::string& key, uint64_t id);
  AnswerPtr cached(const std::string& key);
  void store(const std::string& key, AnswerPtr answer);
  void stop();
};

namespace {

std::string canonical(std::string name) {
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return name;
}

DrawFunction default_draw() {
  auto generator = std::make_shared<std::mt19937>(std::random_device{}());
  return [generator](uint32_t bound) { return std::uniform_int_distribution<uint32_t>(0, bound)(*generator); };
}

bool is_negative(const Answer& answer) { return answer.fault && (answer.fault->code == FaultCode::missing || answer.fault->code == FaultCode::refused); }

}  // namespace

AnswerPtr Resolver::State::cached(const std::string& key) {
  const auto found = cache.find(key);
  if (found == cache.end()) return nullptr;
  if (found->second.expires <= Clock::now()) {
    by_age.erase(found->second.age);
    cache.erase(found);
    return nullptr;
  }
  ++(found->second.answer->fault ? counters.negative_hits : counters.cache_hits);
  return found->second.answer;
}

void Resolver::State::store(const std::string& key, AnswerPtr answer) {
  // Servers that fail are asked again at once; names that do not exist are remembered briefly.
  if (options.cache_entries == 0 || (answer->fault && !is_negative(*answer))) return;
  const uint32_t ttl_s = answer->fault ? options.negative_ttl_s : std::clamp(answer->ttl_s, options.min_ttl_s, std::max(options.min_ttl_s, options.max_ttl_s));
  if (ttl_s == 0) return;
  if (const auto old = cache.find(key); old != cache.end()) {
    by_age.erase(old->second.age);
    cache.erase(old);
  }
  while (cache.size() >= options.cache_entries) {
    cache.erase(by_age.front());
    by_age.pop_front();
  }
  by_age.push_back(key);
  cache[key] = {std::move(answer), Clock::now() + std::chrono::seconds(ttl_s), std::prev(by_age.end())};
}

asio::awaitable<AnswerPtr> Resolver::State::ask(std::string name, QuestionKind kind) {
  const auto self = shared_from_this();
  name = canonical(std::move(name));
  const std::string key = static_cast<char>('0' + static_cast<int>(kind)) + name;
  if (auto hit = cached(key)) co_return hit;
  if (name.empty() || name.size() > 253) {
    Answer bad;
    bad.fault = Fault{FaultCode::invalid, "DNS name \"" + name.substr(0, 64) + "\"", "is empty or longer than 253 bytes", "correct the name"};
    co_return std::make_shared<const Answer>(std::move(bad));
  }
  co_return co_await wait_for<AnswerPtr>([this, &key, &name, kind](AnswerWaiter waiter) { begin(key, name, kind, std::move(waiter)); });
}

void Resolver::State::begin(const std::string& key, const std::string& name, QuestionKind kind, AnswerWaiter waiter) {
  const uint64_t id = next_id++;
  waiter.on_cancel([this, key, id] { forget_waiting(key, id); });
  const auto [found, is_new] = questions.try_emplace(key);
  found->second.waiting.push_back({id, std::move(waiter)});
  if (!is_new) {
    ++counters.joined;
    return;
  }
  ++counters.questions;
  Question& question = found->second;
  question.serial = id;
  question.deadline = std::make_unique<asio::steady_timer>(context, options.deadline);
  question.deadline->async_wait([weak = weak_from_this(), key, name, kind, id](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    const auto late = self->questions.find(key);
    if (late == self->questions.end() || late->second.serial != id) return;
    ++self->counters.timed_out;
    Answer answer;
    answer.fault = question_fault(name, kind, ARES_ETIMEOUT);
    answer.fault->cause = "no answer within " + std::to_string(self->options.deadline.count()) + " ms";
    self->finish(key, std::make_shared<const Answer>(std::move(answer)));
  });
  channel->ask(name, kind, [weak = weak_from_this(), key, id](Answer answer) {
    if (const auto self = weak.lock()) self->on_answer(key, id, std::move(answer));
  });
}

void Resolver::State::on_answer(const std::string& key, uint64_t serial, Answer answer) {
  if (answer.fault) ++counters.failed;
  const auto shared = std::make_shared<const Answer>(std::move(answer));
  if (!stopped) store(key, shared);
  const auto found = questions.find(key);
  if (found != questions.end() && found->second.serial == serial) finish(key, shared);
}

void Resolver::State::finish(const std::string& key, AnswerPtr answer) {
  auto node = questions.extract(key);
  if (node.empty()) return;
  node.mapped().deadline->cancel();
  // Posted: c-ares calls back from within its own functions, sometimes from ask() itself.
  for (Waiting& waiting : node.mapped().waiting) waiting.waiter.post(context, answer);
}

void Resolver::State::forget_waiting(const std::string& key, uint64_t id) {
  const auto found = questions.find(key);
  if (found == questions.end()) return;
  auto& waiting = found->second.waiting;
  const auto one = std::find_if(waiting.begin(), waiting.end(), [id](const Waiting& entry) { return entry.id == id; });
  if (one == waiting.end()) return;
  Answer cancelled;
  cancelled.fault = Fault{FaultCode::refused, "DNS question", "was cancelled", ""};
  AnswerWaiter waiter = std::move(one->waiter);
  waiting.erase(one);
  waiter.post(context, std::make_shared<const Answer>(std::move(cancelled)));
}

void Resolver::State::stop() {
  stopped = true;
  channel->stop();
  for (const auto& weak : retired) {
    if (const auto old = weak.lock()) old->stop();
  }
}

Outcome<std::unique_ptr<Resolver>> Resolver::create(asio::io_context& context, ResolverOptions options) {
  auto channel = Channel::open(context, options, options.servers);
  if (!channel) return channel.fault();
  auto state = std::make_shared<State>(context);
  state->options = std::move(options);
  if (!state->options.draw) state->options.draw = default_draw();
  state->channel = *channel;
  return std::unique_ptr<Resolver>(new Resolver(std::move(state)));
}

Resolver::Resolver(std::shared_ptr<State> state) : state_(std::move(state)) {}
Resolver::~Resolver() { state_->stop(); }

asio::awaitable<Outcome<std::vector<HostRecord>>> Resolver::resolve_host(std::string name, Family family) {
  const auto state = state_;
  unsigned char raw[16];
  const bool is_v4 = inet_pton(AF_INET, name.c_str(), raw) == 1;
  if (is_v4 || inet_pton(AF_INET6, name.c_str(), raw) == 1) {
    if ((is_v4 && family == Family::v6) || (!is_v4 && family == Family::v4)) {
      co_return Fault{FaultCode::missing, "address " + name, "is of the other IP version", "give an address or name of the right IP version"};
    }
    co_return std::vector<HostRecord>{{name, !is_v4, state->options.max_ttl_s}};
  }
  const QuestionKind kind = family == Family::any ? QuestionKind::host_any : family == Family::v4 ? QuestionKind::host_v4 : QuestionKind::host_v6;
  const AnswerPtr answer = co_await state->ask(std::move(name), kind);
  if (answer->fault) co_return *answer->fault;
  co_return answer->hosts;
}

asio::awaitable<Outcome<std::vector<SrvRecord>>> Resolver::resolve_srv(std::string name) {
  const auto state = state_;
  const AnswerPtr answer = co_await state->ask(std::move(name), QuestionKind::srv);
  if (answer->fault) co_return *answer->fault;
  std::vector<SrvRecord> records = answer->srv;
  order_srv(records, state->options.draw);
  co_return records;
}

asio::awaitable<Outcome<std::vector<NaptrRecord>>> Resolver::resolve_naptr(std::string name) {
  const auto state = state_;
  const AnswerPtr answer = co_await state->ask(std::move(name), QuestionKind::naptr);
  if (answer->fault) co_return *answer->fault;
  co_return answer->naptr;
}

Outcome<> Resolver::reload() { return reload(state_->options.servers); }

Outcome<> Resolver::reload(std::vector<std::string> servers) {
  auto fresh = Channel::open(state_->context, state_->options, servers);
  if (!fresh) return fresh.fault();
  std::erase_if(state_->retired, [](const auto& weak) { return weak.expired(); });
  state_->retired.push_back(state_->channel);  // its open questions hold it until they are answered
  // Not destroyed here: reload() may run inside one of its callbacks.
  asio::post(state_->context, [old = std::exchange(state_->channel, *fresh)] {});
  state_->options.servers = std::move(servers);
  clear_cache();
  return Done{};
}

void Resolver::clear_cache() {
  state_->cache.clear();
  state_->by_age.clear();
}

size_t Resolver::cache_size() const { return state_->cache.size(); }
const ResolverCounters& Resolver::counters() const { return state_->counters; }

}  // namespace sallyport::dns
