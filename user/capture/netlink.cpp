// SPDX-License-Identifier: Apache-2.0
#include "user/capture/netlink.h"

#include <cerrno>
#include <string>

namespace netsonde {

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) : bytes_(sizeof(nlmsghdr)) {
  nlmsghdr* const head = mnl_nlmsg_put_header(bytes_.data());
  head->nlmsg_type = type;
  head->nlmsg_flags = NLM_F_REQUEST | flags;
}

void NetlinkRequest::make_room(std::size_t size) {
  bytes_.resize(header()->nlmsg_len + MNL_ALIGN(size));
}

void NetlinkRequest::put(std::uint16_t attribute, std::uint32_t value) {
  make_room(sizeof(nlattr) + sizeof(value));
  mnl_attr_put_u32(header(), attribute, value);
}

void NetlinkRequest::put(std::uint16_t attribute, const char* text) {
  make_room(sizeof(nlattr) + std::strlen(text) + 1);
  mnl_attr_put_strz(header(), attribute, text);
}

void NetlinkRequest::put(std::uint16_t attribute, std::span<const char> bytes) {
  make_room(sizeof(nlattr) + bytes.size());
  mnl_attr_put(header(), attribute, bytes.size(), bytes.data());
}

namespace {

// Behind the number and the request, of which it may have only the header.
std::string words_in(const nlmsghdr& message) {
  const auto error = fixed_part<nlmsgerr>(message);
  if (!error || message.nlmsg_type != NLMSG_ERROR || !(message.nlmsg_flags & NLM_F_ACK_TLVS))
    return {};
  std::size_t fixed = sizeof(nlmsgerr);
  if (!(message.nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > sizeof(nlmsghdr))
    fixed += MNL_ALIGN(error->msg.nlmsg_len) - sizeof(nlmsghdr);
  std::string words;
  each_attribute(message, fixed, [&words](const nlattr& attribute) {
    if (type_of(attribute) == NLMSGERR_ATTR_MSG) words = text_of(attribute);
  });
  return words;
}

Error refusal_in(const nlmsghdr& message, int error) {
  Error refusal = Error::from_errno("ask over netlink", error);
  const std::string words = words_in(message);
  return words.empty() ? refusal : Error(refusal.message() + " (" + words + ")");
}

}  // namespace

bool is_whole(const nlmsghdr& message, std::size_t left) {
  return left >= sizeof(message) && message.nlmsg_len >= sizeof(message) &&
         message.nlmsg_len <= left;
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
  NetlinkSocket netlink;
  netlink.socket_.reset(mnl_socket_open2(protocol, SOCK_CLOEXEC));
  if (!netlink.socket_) return Error::from_errno("open netlink socket");
  if (mnl_socket_bind(netlink.socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    return Error::from_errno("bind netlink socket");
  constexpr std::size_t kLargestAnswer = 32 << 10;  // NLMSG_GOODSIZE of a dump
  netlink.buffer_.resize(kLargestAnswer);
  return netlink;
}

Result<> NetlinkSocket::tell(std::span<NetlinkRequest> requests) {
  const int wanted = 1;  // 4.12; without it the error is a number alone
  (void)mnl_socket_setsockopt(socket_.get(), NETLINK_EXT_ACK, const_cast<int*>(&wanted),
                              sizeof(wanted));
  const std::uint32_t before = sequence_;
  std::vector<char> bytes;
  for (NetlinkRequest& request : requests) {
    nlmsghdr& head = *request.header();
    head.nlmsg_flags |= NLM_F_ACK;
    head.nlmsg_seq = ++sequence_;
    const std::span<const char> message(reinterpret_cast<const char*>(&head), head.nlmsg_len);
    bytes.insert(bytes.end(), message.begin(), message.end());
    bytes.resize(NLMSG_ALIGN(bytes.size()));
  }
  if (mnl_socket_sendto(socket_.get(), bytes.data(), bytes.size()) < 0)
    return Error::from_errno("ask over netlink");
  Result<> done;
  sequence_ = before;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ++sequence_;
    auto acknowledged = receive_acknowledgement();
    if (done && !acknowledged) done = std::move(acknowledged);
  }
  return done;
}

Result<> NetlinkSocket::receive_acknowledgement() {
  interrupted_ = false;
  tells_ = true;
  Result<State> state = State::More;
  while (state && state.value() == State::More) state = receive([](const nlmsghdr&) {});
  tells_ = false;
  if (!state) return state.error();
  return {};
}

Result<> NetlinkSocket::ask(NetlinkRequest& request, const std::function<void()>& begin,
                            const Handler& handler) {
  constexpr int kTries = 5;
  for (int i = 0; i < kTries; ++i) {
    begin();
    interrupted_ = false;
    request.header()->nlmsg_seq = ++sequence_;
    if (mnl_socket_sendto(socket_.get(), request.header(), request.header()->nlmsg_len) < 0)
      return Error::from_errno("ask over netlink");
    State state = State::More;
    while (state == State::More) state = TRY(receive(handler));
    if (state == State::Done) return {};
  }
  return Error("ask over netlink: the list changed each time while it was read");
}

Result<NetlinkSocket::State> NetlinkSocket::receive(const Handler& handler) {
  const ssize_t got = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
  if (got <= 0) return Error::from_errno("read a netlink answer", got < 0 ? errno : ENODATA);
  int left = static_cast<int>(got);
  const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
  for (; left > 0; message = mnl_nlmsg_next(message, &left)) {
    if (!is_whole(*message, static_cast<std::size_t>(left)))
      return Error("read a netlink answer: a message makes no sense");
    if (message->nlmsg_seq != sequence_) continue;  // of a question that was given up
    if (const State state = TRY(take(*message, handler)); state != State::More) return state;
  }
  return State::More;
}

Result<NetlinkSocket::State> NetlinkSocket::take(const nlmsghdr& message, const Handler& handler) {
  if (message.nlmsg_flags & NLM_F_DUMP_INTR) interrupted_ = true;
  if (message.nlmsg_type == NLMSG_ERROR || message.nlmsg_type == NLMSG_DONE) {
    // Both begin with a negative errno or 0; before 4.20 the end of some lists has neither.
    const int error = fixed_part<int>(message).value_or(0);
    // A kernel built without what was asked for has an empty list of it.
    const bool is_empty_list = error == -EOPNOTSUPP && !tells_;
    if (error < 0 && !is_empty_list) return refusal_in(message, -error);
    return interrupted_ ? State::Interrupted : State::Done;
  }
  if (message.nlmsg_type >= NLMSG_MIN_TYPE) handler(message);
  return State::More;
}

namespace {

// libmnl's own loops do not compile as C++.
void each_of(const void* begin, std::size_t length, const OnAttribute& handler) {
  const auto* attribute = static_cast<const nlattr*>(begin);
  const char* const end = static_cast<const char*>(begin) + length;
  for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute))
    handler(*attribute);
}

}  // namespace

void each_attribute(const nlmsghdr& message, std::size_t fixed, const OnAttribute& handler) {
  const std::size_t length = mnl_nlmsg_get_payload_len(&message);
  if (length > MNL_ALIGN(fixed))
    each_of(mnl_nlmsg_get_payload_offset(&message, fixed), length - MNL_ALIGN(fixed), handler);
}

void each_attribute(const nlattr& nest, const OnAttribute& handler) {
  each_of(mnl_attr_get_payload(&nest), mnl_attr_get_payload_len(&nest), handler);
}

std::uint16_t type_of(const nlattr& attribute) {
  return mnl_attr_get_type(&attribute);
}

std::span<const char> bytes_of(const nlattr& attribute) {
  return {static_cast<const char*>(mnl_attr_get_payload(&attribute)),
          mnl_attr_get_payload_len(&attribute)};
}

std::string_view text_of(const nlattr& attribute) {
  if (mnl_attr_validate(&attribute, MNL_TYPE_NUL_STRING) < 0) return {};
  return mnl_attr_get_str(&attribute);
}

}  // namespace netsonde
