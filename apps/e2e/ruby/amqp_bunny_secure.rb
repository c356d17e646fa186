# Debian's ruby-bunny over TLS (`tls`), by a certificate (`certificate`) and by a token (`token`). AMQP_URL
# says where the broker is, AMQP_PREFIX how names begin, AMQP_CERTIFICATES where the certificates are,
# AMQP_TOKEN and AMQP_NEXT_TOKEN what is logged in with. Where something is to happen to the broker it
# writes a line that begins with `@` and waits for one.
require "bunny"

$stdout.sync = true
URL = ENV.fetch("AMQP_URL")
PREFIX = ENV.fetch("AMQP_PREFIX")
CERTIFICATES = ENV.fetch("AMQP_CERTIFICATES")
WITHIN_S = 15

def check(what, found, expected = true)
  raise "#{what}: #{found.inspect}, not #{expected.inspect}" unless found == expected
end

def ask_for(what)
  puts "@#{what}"
  $stdin.gets
end

def connect(**options)
  tls = { verify_peer: true, tls_ca_certificates: ["#{CERTIFICATES}/ca.crt"] }
  connection = Bunny.new(URL, **tls, recover_from_connection_close: false, automatically_recover: false,
                                     log_level: Logger::FATAL, **options)
  connection.start
  connection
end

# A queue of its own, whose messages come to the block.
def use(connection, name, **options)
  channel = connection.create_channel
  channel.confirm_select
  queue = channel.queue(name, **options)
  arrived = Queue.new
  queue.subscribe { |_delivery, _properties, body| arrived << body }
  yield queue, channel, arrived
  channel.close
end

def next_of(arrived)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + WITHIN_S
  while arrived.empty?
    raise "nothing came" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
    Thread.pass
  end
  arrived.pop
end

def send_and_check(queue, channel, arrived, body)
  queue.publish(body)
  check("confirmed", channel.wait_for_confirms)
  check("arrived", next_of(arrived) == body)
end

def over_tls
  connection = connect
  use(connection, "#{PREFIX}.tls", exclusive: true) do |queue, channel, arrived|
    [1, 4_096, 131_065, 1_000_000].each { |size| send_and_check(queue, channel, arrived, "x" * size) }
    ask_for("certificate")
    send_and_check(queue, channel, arrived, "after")
  end
  connect.close
  connection.close
end

def by_certificate
  machine = { auth_mechanism: "EXTERNAL", tls_cert: "#{CERTIFICATES}/machine.crt",
              tls_key: "#{CERTIFICATES}/machine.key" }
  connection = connect(**machine)
  use(connection, "machine.bunny", auto_delete: true) do |queue, channel, arrived|
    send_and_check(queue, channel, arrived, "mine")
  end
  begin
    connection.create_channel.queue("other")
    raise "it may declare what is not its own"
  rescue Bunny::AccessRefused
    connection.close
  end
end

def by_token
  connection = connect(user: "", pass: ENV.fetch("AMQP_TOKEN"))
  use(connection, "service.bunny", auto_delete: true) do |queue, channel, arrived|
    send_and_check(queue, channel, arrived, "before")
    renewed = connection.update_secret(ENV.fetch("AMQP_NEXT_TOKEN"), "it ends")
    check("renewed", renewed.class, AMQ::Protocol::Connection::UpdateSecretOk)
    send_and_check(queue, channel, arrived, "after")
  end
  connection.close
end

{ "tls" => method(:over_tls), "certificate" => method(:by_certificate),
  "token" => method(:by_token) }.fetch(ARGV.fetch(0)).call
puts "all is well"
