# Debian's ruby-bunny as its users use it: checks one thing after the other, writes a line for each, and
# ends with an error at the first that fails. AMQP_URL says where the broker is, AMQP_PREFIX how names
# begin. Before the last it writes `@restart` and waits for a line.
require "bunny"
require "timeout"

$stdout.sync = true
URL = ENV.fetch("AMQP_URL")
PREFIX = ENV.fetch("AMQP_PREFIX")
WITHIN_S = 15

def check(what, found, expected = true)
  raise "#{what}: #{found.inspect}, not #{expected.inspect}" unless found == expected
end

def eventually(what)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + WITHIN_S
  loop do
    found = yield
    return found if found
    raise "not in time: #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
    sleep 0.02
  end
end

def test(name)
  yield
  puts "ok #{name}"
end

recovered = Queue.new
connection = Bunny.new(URL, network_recovery_interval: 0.2, log_level: Logger::FATAL,
                            recovery_completed: -> { recovered << true })
connection.start

test "properties, headers and manual acks" do
  channel = connection.create_channel
  queue = channel.queue("#{PREFIX}.properties", durable: true)
  headers = { "text" => "Grüße".b, "number" => 7, "large" => 2**40, "half" => 0.5, "yes" => true,
              "none" => nil, "list" => [1, "two"], "table" => { "inner" => { "x" => 1 } } }
  channel.confirm_select
  queue.publish("body", persistent: true, priority: 3, content_type: "text/plain", message_id: "m",
                        correlation_id: "c", reply_to: "r", expiration: "60000", type: "t",
                        app_id: "a", user_id: "guest", timestamp: 1_700_000_000, headers: headers)
  check("confirmed", channel.wait_for_confirms)
  delivery, properties, body = queue.pop(manual_ack: true)
  check("body", body, "body")
  check("headers", properties.headers, headers)
  check("properties", [properties.priority, properties.message_id, properties.user_id],
        [3, "m", "guest"])
  channel.ack(delivery.delivery_tag)
  check("empty", queue.pop, [nil, nil, nil])
  queue.delete
  channel.close
end

test "subscription with prefetch, nack and cancellation by the broker" do
  channel = connection.create_channel
  channel.prefetch(2)
  queue = channel.queue("#{PREFIX}.subscribed", auto_delete: false)
  seen = []
  cancelled = false
  consumer = Bunny::Consumer.new(channel, queue, "#{PREFIX}.tag", false, false)
  consumer.on_delivery do |delivery, _properties, body|
    seen << [body, delivery.redelivered?]
    if body == "again" && !delivery.redelivered?
      channel.nack(delivery.delivery_tag, false, true)
    else
      channel.ack(delivery.delivery_tag)
    end
  end
  consumer.on_cancellation { cancelled = true }
  queue.subscribe_with(consumer)
  %w[one again].each { |text| queue.publish(text) }
  eventually("all came") { seen.size == 3 }
  check("seen", seen, [["one", false], ["again", false], ["again", true]])
  other = connection.create_channel
  other.queue_delete(queue.name)
  eventually("cancelled") { cancelled }
  channel.close
  other.close
end

test "exchanges of every type, bound to each other" do
  channel = connection.create_channel
  channel.confirm_select
  topic = channel.topic("#{PREFIX}.topic", auto_delete: true)
  fanout = channel.fanout("#{PREFIX}.fanout", auto_delete: true)
  headers = channel.headers("#{PREFIX}.headers", auto_delete: true)
  queue = channel.queue("", exclusive: true)
  fanout.bind(topic, routing_key: "a.#")
  queue.bind(fanout)
  queue.bind(headers, arguments: { "x-match" => "all", "kind" => "a" })
  topic.publish("by topic", routing_key: "a.b")
  topic.publish("lost", routing_key: "b")
  headers.publish("by header", headers: { "kind" => "a" })
  channel.wait_for_confirms
  check("routed", [queue.pop[2], queue.pop[2], queue.pop[2]], ["by topic", "by header", nil])
  channel.close
end

test "returns, and confirms that are refused" do
  channel = connection.create_channel
  channel.confirm_select
  returned = []
  exchange = channel.default_exchange
  exchange.on_return { |_info, _properties, body| returned << body }
  exchange.publish("lost", routing_key: "#{PREFIX}.none", mandatory: true)
  channel.wait_for_confirms
  eventually("returned") { returned == ["lost"] }
  full = channel.queue("#{PREFIX}.full",
                       arguments: { "x-max-length" => 1, "x-overflow" => "reject-publish" })
  2.times { |index| full.publish(index.to_s) }
  check("confirmed", channel.wait_for_confirms, false)
  check("nacked", channel.nacked_set.size, 1)
  full.delete
  channel.close
end

test "dead letters, ages and priorities" do
  channel = connection.create_channel
  channel.confirm_select
  dead = channel.queue("#{PREFIX}.dead")
  brief = channel.queue("#{PREFIX}.brief",
                        arguments: { "x-message-ttl" => 20, "x-dead-letter-exchange" => "",
                                     "x-dead-letter-routing-key" => dead.name })
  brief.publish("dies")
  _, properties, body = eventually("dead") { (found = dead.pop)[0] && found }
  check("body", body, "dies")
  death = properties.headers["x-death"].first
  check("death", [death["reason"], death["queue"], death["count"]], ["expired", brief.name, 1])
  ranked = channel.queue("#{PREFIX}.ranked", arguments: { "x-max-priority" => 5 })
  [1, 5, 3].each { |priority| ranked.publish(priority.to_s, priority: priority) }
  channel.wait_for_confirms
  check("ranked", Array.new(3) { ranked.pop[2] }, %w[5 3 1])
  [dead, brief, ranked].each(&:delete)
  channel.close
end

test "transactions" do
  channel = connection.create_channel
  queue = channel.queue("", exclusive: true)
  channel.tx_select
  queue.publish("rolled back")
  channel.tx_rollback
  queue.publish("committed")
  channel.tx_commit
  check("committed", [queue.pop[2], queue.pop[2]], ["committed", nil])
  channel.close
end

test "errors with their codes" do
  channel = connection.create_channel
  begin
    channel.queue_declare("#{PREFIX}.none", passive: true)
    raise "it was declared"
  rescue Bunny::NotFound => error
    check("code", error.channel_close.reply_code, 404)
  end
  channel = connection.create_channel
  channel.queue("#{PREFIX}.same", durable: false).publish("x")
  begin
    channel.queue_declare("#{PREFIX}.same", durable: true)
    raise "it was declared"
  rescue Bunny::PreconditionFailed => error
    check("code", error.channel_close.reply_code, 406)
  end
  connection.with_channel { |other| other.queue_delete("#{PREFIX}.same") }
  connection.update_secret("guest", "it was time")
  check("open", connection.open?)
end

test "a wrong password" do
  begin
    Bunny.new(URL.sub("guest:guest", "guest:wrong"), log_level: Logger::FATAL).start
    raise "it was let in"
  rescue Bunny::AuthenticationFailureError
    # As it should be.
  end
end

test "recovers after a kill, with its topology, consumers and messages" do
  channel = connection.create_channel
  channel.confirm_select
  exchange = channel.topic("#{PREFIX}.recovered", durable: true)
  kept = channel.queue("#{PREFIX}.kept", durable: true).bind(exchange, routing_key: "kept")
  named_by_broker = channel.queue("", exclusive: true).bind(exchange, routing_key: "own")
  seen = []
  named_by_broker.subscribe { |_delivery, _properties, body| seen << body }
  50.times { |index| exchange.publish(index.to_s, routing_key: "kept", persistent: true) }
  check("confirmed", channel.wait_for_confirms)
  puts "@restart"
  $stdin.gets
  Timeout.timeout(2 * WITHIN_S) { recovered.pop }
  check("kept", kept.message_count, 50)
  check("in order", Array.new(50) { kept.pop[2] }, Array.new(50, &:to_s))
  eventually("its own queue is there again") do
    exchange.publish("after", routing_key: "own")
    sleep 0.05
    seen.include?("after")
  end
  kept.delete
  exchange.delete
end

connection.close
puts "all is well"
